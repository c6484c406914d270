// Deno's `node:test` passes although a timer or an emitter threw outside a test: end the run with an error instead.
import process from "node:process";

for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error: unknown) => {
    console.error(`${event} outside a test:`, error);
    process.exit(70);
  });
}
