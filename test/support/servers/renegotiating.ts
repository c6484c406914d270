// A TLS 1.2 server that says its SETTINGS and then, asked by a line on standard input, renegotiates. Runs on Node: the TLS
// of other runtimes' servers can't.
import process from "node:process";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { encodeFrame, FrameType } from "../raw-http2/frame.ts";
import { server as identity } from "../tls.ts";

const sockets: TLSSocket[] = [];
const server = createServer({ ...identity, ALPNProtocols: ["h2"], maxVersion: "TLSv1.2" }, (socket) => {
  sockets.push(socket);
  socket.on("error", (error) => console.log(`refused: ${error.message}`));
  socket.on("close", () => console.log("closed"));
  socket.resume().write(encodeFrame(FrameType.settings, 0, 0, new Uint8Array(0)));
});
server.listen(0, "127.0.0.1", () => console.log(`port ${(server.address() as AddressInfo).port}`));
process.stdin.on("data", () => {
  for (const socket of sockets) socket.renegotiate({}, (error) => console.log(`renegotiated: ${error}`));
});
