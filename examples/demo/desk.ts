// The demo's own page: the live page in a frame, which can only be read, and above it buttons, which need a token.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { requestListener } from "../../src/node.ts";

const ACTIONS = ["kill", "revive", "freeze", "thaw"] as const;
/** What can be done to a server. */
export type Action = typeof ACTIONS[number];

/** What the desk is about. */
export interface Desk {
  readonly port: number;
  /** The servers' names. */
  readonly names: readonly string[];
  readonly page: (request: Request) => Response;
  act(name: string, action: Action): Promise<void>;
}

/** Serves it on 127.0.0.1, and returns its address. */
export async function serveDesk({ port, names, page, act }: Desk): Promise<string> {
  // Other sites can send a POST here, too, but they can't read the token.
  const token = randomUUID();
  let origin = "";

  async function answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/live/")) return page(request);
    if (request.headers.get("host") !== new URL(origin).host) return new Response("wrong host\n", { status: 403 });
    if (request.method === "GET") {
      if (pathname === "/") return text("text/html", html(names, token));
      if (pathname === "/desk.js") return text("text/javascript", SCRIPT);
      if (pathname === "/desk.css") return text("text/css", STYLE);
    }
    const [, name = "", wanted] = pathname.split("/"), action = ACTIONS.find((each) => each === wanted);
    if (request.method !== "POST" || !names.includes(name) || action === undefined) {
      return new Response("not found\n", { status: 404 });
    }
    if (request.headers.get("x-token") !== token) return new Response("wrong token\n", { status: 403 });
    await act(name, action);
    return new Response(null, { status: 204 });
  }

  const server = createServer(requestListener(answer));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return `${origin}/`;
}

function text(type: string, body: string): Response {
  const headers = {
    "content-type": `${type}; charset=utf-8`,
    "cache-control": "no-store",
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'",
  };
  return new Response(body, { headers });
}

/** Names and token are the demo's own: nothing foreign is in them. */
function html(names: readonly string[], token: string): string {
  const groups = names.map((name) => {
    const buttons = ACTIONS.map((action) => `<button data-path="/${name}/${action}">${action}</button>`).join(" ");
    return `<span role="group" aria-label="Server ${name}"><b>${name}</b> ${buttons}</span>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="token" content="${token}">
<title>connect-lb: the demo</title>
<link rel="icon" href="/live/icon.svg">
<link rel="stylesheet" href="/desk.css">
<script type="module" src="/desk.js"></script>
<header>${groups.join("\n")}</header>
<iframe src="/live/" title="The live page"></iframe>
`;
}

const SCRIPT = `\
const token = document.querySelector("meta[name=token]").content;
for (const button of document.querySelectorAll("button")) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    await fetch(button.dataset.path, { method: "POST", headers: { "x-token": token } }).catch(() => {});
    button.disabled = false;
  });
}
`;

const STYLE = `\
:root { color-scheme: light dark; font: 14px system-ui, sans-serif; }
body { margin: 0; height: 100vh; display: flex; flex-direction: column; }
header { display: flex; flex-wrap: wrap; gap: 0.4rem 1.6rem; padding: 0.5rem 1.2rem; border-bottom: 1px solid #8884; }
button { font: inherit; }
iframe { flex: 1; border: 0; }
`;
