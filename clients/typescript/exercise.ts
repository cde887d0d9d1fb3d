/**
 * Talks to a running service through the client: an example that the tests run. Prints what it saw, as JSON.
 *
 *     API_URL=http://127.0.0.1:8000 API_TOKEN=... node build/exercise.js
 */
import { createClient, isProblem, type Problem, type ProblemCode, type Schema } from "./index.js";

const { API_URL: url, API_TOKEN: token } = process.env;
if (url === undefined || token === undefined) throw new Error("API_URL and API_TOKEN are needed");

const api = createClient(url, () => token);
const body = {
  activityCode: "LEARN",
  visibility: "PRIVATE",
  payload: { provider: "Elevate", courseName: "AI for Teachers 1", completedAt: "2024-05-01" },
} satisfies Schema<"NewLearn">;

// What the types forbid; a line that compiled all the same would be an error.
// @ts-expect-error - the codes are a closed list
const unknownCode: ProblemCode = "NO_SUCH_CODE";
// @ts-expect-error - no such path
void (() => api.GET("/api/nothing"));
// @ts-expect-error - the payload of another stage
void (() => api.POST("/api/submissions", { body: { ...body, activityCode: "AMPLIFY" } }));

/** What to say to a person; the compiler wants no default here because each branch narrows the code. */
function inWords(problem: Problem): string {
  if (isProblem(problem, "LEARN_ALREADY_ACTIVE", "SUBMISSION_RATE_LIMITED")) {
    const code: "LEARN_ALREADY_ACTIVE" | "SUBMISSION_RATE_LIMITED" = problem.code;
    return `not now: ${code}`;
  }
  if (isProblem(problem, "VALIDATION_FAILED")) {
    return (problem.errors ?? []).map((fault) => fault.pointer).join(",");
  }
  return problem.code;
}

function must<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.data === undefined) throw new Error(`${answer.response.status}: ${JSON.stringify(answer.error)}`);
  return answer.data;
}

function refusal(answer: { error?: Problem; response: Response }): { status: number; words: string } {
  if (!isProblem(answer.error)) throw new Error(`${answer.response.status} is no problem`);
  return { status: answer.response.status, words: inWords(answer.error) };
}

const me: Schema<"Me"> = must(await api.GET("/api/me"));
const created = await api.POST("/api/submissions", { body, params: { header: { "Idempotency-Key": "exercise-1" } } });
const submission: Schema<"SubmissionOut"> = must(created);
const again = await api.POST("/api/submissions", { body });
const empty = await api.PATCH("/api/me", { body: { handle: "" } });
const missing = await api.GET("/api/submissions/{submission_id}", {
  params: { path: { submission_id: "00000000-0000-7000-8000-000000000000" } },
});
const stranger = await createClient(url).GET("/api/me");
const page = must(await api.GET("/api/submissions", { params: { query: { limit: 1, status: "PENDING" } } }));

console.log(
  JSON.stringify({
    me: me.id,
    role: me.role,
    submission: { id: submission.id, status: submission.status, version: submission.version },
    location: created.response.headers.get("Location"),
    listed: page.items.map((item) => item.id),
    again: refusal(again),
    empty: refusal(empty),
    missing: refusal(missing),
    stranger: refusal(stranger),
  }),
);
