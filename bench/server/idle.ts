// Opens connections to a server and leaves them idle: `idle.ts <address> <count>`. Prints a line once all have shaken
// hands, and ends with its standard input.
import { connect } from "node:net";
import process from "node:process";
import { CLIENT_PREFACE, encodeFrame, Flag, FrameType } from "../../test/support/raw-http2/frame.ts";

const [address, count] = process.argv.slice(2) as [string, string];
const [host, port] = address.split(":") as [string, string];
const NOTHING = new Uint8Array(0);
const hello = new TextEncoder().encode(CLIENT_PREFACE);
const settings = encodeFrame(FrameType.settings, 0, 0, NOTHING),
  ack = encodeFrame(FrameType.settings, Flag.ack, 0, NOTHING);
/** How many are opened at a time: below what a listening socket keeps in line. */
const AT_ONCE = 100;

function open(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port), noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.write(hello);
      socket.write(settings);
    });
    // What comes first is the server's SETTINGS.
    socket.once("data", () => {
      socket.write(ack);
      resolve();
    });
    socket.resume();
  });
}

for (let opened = 0; opened < Number(count); opened += AT_ONCE) {
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, Number(count) - opened) }, open));
}
process.stdout.write('{"opened":true}\n');
process.stdin.on("end", () => process.exit(0)).resume();
