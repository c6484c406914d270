// How many unary calls a second the backends can answer: requests are sent as ready-made bytes and answers are counted by
// their length, so hardly anything but the backends and the kernel is measured. Prints a line of JSON.
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import process from "node:process";
import type { Addresses } from "../kind.ts";
import { frame, messageFrame, requestBytes } from "./reply.ts";

const IN_FLIGHT = 64;
const addresses = (JSON.parse(process.argv[2]!) as Addresses)["unary-16B"];
const ms = Number(process.argv[3] ?? 500);
/** Indexed header fields: HEADERS of 2 bytes, a message, trailers of 1 byte. */
const ANSWER = 9 + 2 + messageFrame("unary-16B").length + 9 + 1;
const REQUEST = Buffer.concat([
  frame(1, 0x4, Buffer.from([0x83, 0x86, 0x84])),
  frame(0, 0x1, Buffer.alloc(requestBytes("unary-16B"))),
]);

let calls = 0;
const end = performance.now() + ms;
await Promise.all(addresses.map((address) => {
  const [host, port] = address.split(":") as [string, string];
  const inFlight = Math.round(IN_FLIGHT / addresses.length);
  const socket = connect({ host, port: Number(port), noDelay: true });
  let id = 1, bytes = 0, warm = false;
  const send = (count: number) => {
    const out = Buffer.concat(Array.from({ length: count }, () => REQUEST));
    for (let i = 0; i < count; i++, id += 2) {
      out.writeUInt32BE(id, i * REQUEST.length + 5);
      out.writeUInt32BE(id, i * REQUEST.length + 9 + 3 + 5);
    }
    socket.write(out);
  };
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, Buffer.alloc(0))]));
  const credit = Buffer.alloc(4);
  credit.writeUInt32BE(2 ** 31 - 1 - 65_535, 0);
  socket.write(frame(8, 0, credit));
  send(1); // the first answer has longer header blocks
  return new Promise<void>((resolve) => {
    socket.on("data", (chunk: Buffer) => {
      if (!warm) {
        // The settings' frames and the first answer come in one or two chunks of no interest.
        warm = chunk.includes("grpc-status");
        if (warm) send(inFlight);
        return;
      }
      bytes += chunk.length;
      const answered = Math.floor(bytes / ANSWER);
      bytes -= answered * ANSWER;
      calls += answered;
      if (performance.now() < end) send(answered);
      else {
        socket.destroy();
        resolve();
      }
    });
  });
}));
process.stdout.write(`${JSON.stringify({ callsPerSecond: calls / ms * 1_000 })}\n`);
