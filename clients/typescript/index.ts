/**
 * Typed client of the Elevate API. Paths, parameters and answers come from `schema.d.ts`, which `scripts/client` makes.
 *
 *     const api = createClient("https://api.example.org", () => session.getToken());
 *     const { data, error } = await api.GET("/api/me");
 */
import createFetchClient, { type Client, type ClientOptions } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type { components, operations, paths } from "./schema.js";

/** Any schema of the document by its name: `Schema<"SubmissionOut">`. */
export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];

/** RFC 9457 problem details: what every error answers. */
export type Problem = Schema<"ProblemDocument">;

/** Every `code` that the service can answer; a `switch` over it can be exhaustive. */
export type ProblemCode = Problem["code"];

/** A problem whose code is known; members that only this kind carries are `unknown` until they are looked at. */
export type ProblemOf<Code extends ProblemCode> = Problem & { code: Code };

export type ElevateClient = Client<paths>;

/** Clerk's session token, or none for what is public. Asked for before each request: tokens live for a minute. */
export type Token = () => string | null | undefined | Promise<string | null | undefined>;

export function createClient(baseUrl: string, token?: Token, options: Omit<ClientOptions, "baseUrl"> = {}): ElevateClient {
  const client = createFetchClient<paths>({ ...options, baseUrl });
  if (token !== undefined) {
    client.use({
      async onRequest({ request }) {
        const value = await token();
        if (value) request.headers.set("Authorization", `Bearer ${value}`);
        return request;
      },
    });
  }
  return client;
}

/**
 * Whether `error` is a problem, and one with any of these codes when there are some.
 *
 *     if (isProblem(error, "AMPLIFY_QUOTA_EXCEEDED")) show(error.detail);
 */
export function isProblem<Code extends ProblemCode = ProblemCode>(error: unknown, ...codes: Code[]): error is ProblemOf<Code> {
  if (typeof error !== "object" || error === null) return false;
  const { code, status } = error as { code?: unknown; status?: unknown };
  if (typeof code !== "string" || typeof status !== "number") return false;
  return codes.length === 0 || (codes as string[]).includes(code);
}
