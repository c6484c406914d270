import process from "node:process";

/** Tells where a server listens, as a line of JSON, and ends its process with its standard input. */
export function listening(address: string): void {
  process.stdout.write(`${JSON.stringify({ address, pid: process.pid })}\n`);
  process.stdin.on("end", () => process.exit(0)).resume();
}
