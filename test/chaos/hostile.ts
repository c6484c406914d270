// Clients that mean harm, in a process of their own: `hostile.ts <attack> <address>` goes on until its standard input ends,
// and connects again whenever it is thrown out.
import { connect, type Socket } from "node:net";
import process from "node:process";
import { type Attack, ATTACKS } from "./attacks.ts";

const [name, address] = process.argv.slice(2) as [string, string];
const attack: Attack | undefined = ATTACKS[name];
if (attack === undefined) throw new Error(`no attack "${name}": expected ${Object.keys(ATTACKS)}`);
const [host, port] = address.split(":") as [string, string];
/** How long one that was thrown out waits, in milliseconds. */
const PAUSE_MS = 10;
/** How much goes out at a time, and how much may wait to be read by the server. */
const TURN_BYTES = 65_536, MOST_WAITING = 1 << 20;

function play(): void {
  const socket: Socket = connect({ host, port: Number(port), noDelay: true });
  socket.on("error", () => {});
  socket.once("close", () => setTimeout(play, PAUSE_MS));
  socket.once("connect", () => {
    if (attack!.reads === false) socket.pause();
    else socket.resume();
    const next = attack!.begin();
    const turn = () => {
      if (socket.destroyed || socket.writableEnded) return;
      for (let sent = 0; sent < TURN_BYTES && socket.writableLength < MOST_WAITING;) {
        const bytes = next();
        if (bytes === undefined) return void (attack!.leaves && socket.destroy());
        socket.write(bytes);
        sent += bytes.length;
      }
      setTimeout(turn, attack!.everyMs ?? 1);
    };
    turn();
  });
}

for (let i = 0; i < attack.connections; i++) play();
console.log("attacks");
process.stdin.on("end", () => process.exit(0)).resume();
