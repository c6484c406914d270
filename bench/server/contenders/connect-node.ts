// connect-node's adapter on node:http2.
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { listening } from "../listening.ts";
import { benchRoutes } from "../routes.ts";

const server = createServer(connectNodeAdapter({ routes: benchRoutes }));
server.on("session", (session) => session.on("error", () => {}));
server.listen(0, "127.0.0.1", () => listening(`127.0.0.1:${(server.address() as AddressInfo).port}`));
