// Development: the token stands in the link's fragment, which a browser sends nowhere. It is handed in and forgotten.
import { send } from "./app.js";

async function handIn() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  const to = document.getElementById("sign-in").dataset.to;
  const answer = await send("/console/sign-in", { body: new URLSearchParams({ token, to }), headers: { "HX-Request": "true" } });
  if (answer.ok) location.replace(answer.headers.get("HX-Redirect"));
  else document.getElementById("sign-in-error").hidden = false;
}

addEventListener("hashchange", handIn); // another link, while this page is open
handIn();
