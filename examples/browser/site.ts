// Where the page comes from: its files, the list of servers, and the buttons that stop and start them.
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { BrowserServer } from "./server.ts";

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** A site whose page calls three servers. */
export interface Site {
  readonly url: string;
  readonly servers: readonly BrowserServer[];
  stop(): Promise<void>;
}

/** Bundles the page and serves it on 127.0.0.1 (port 0: a free one). */
export async function startSite(port: number): Promise<Site> {
  const servers = [new BrowserServer(), new BrowserServer(), new BrowserServer()];
  for (const server of servers) await server.start();
  const [html, script] = await Promise.all([readFile(file("./page.html")), bundle()]);

  async function answer({ method, url = "" }: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, action, address] = url.split("/");
    const server = servers.find((each) => each.address === address);
    if (url === "/") response.setHeader("content-type", "text/html").end(html);
    else if (url === "/page.js") response.setHeader("content-type", "text/javascript").end(script);
    else if (url === "/endpoints") response.end(JSON.stringify(servers.map((each) => each.address)));
    else if (method === "POST" && server !== undefined && (action === "stop" || action === "start")) {
      await server[action]();
      response.end();
    } else response.writeHead(404).end();
  }

  const site = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve, reject) => {
    site.once("error", reject);
    site.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(site.address() as AddressInfo).port}/`,
    servers,
    async stop() {
      site.close();
      site.closeAllConnections();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

async function bundle(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [file("./page.ts")],
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
  });
  return outputFiles[0]!.contents;
}
