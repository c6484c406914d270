// Runs test files in this process and ends with code 1 at the first failure: `node test/mutate/run-tests.ts FILE …`.
import { run } from "node:test";
import process from "node:process";

const fail = (name: string) => {
  console.log(name);
  process.exit(1);
};
process.on("uncaughtException", (error) => fail(`uncaught: ${error.message}`));
process.on("unhandledRejection", (error) => fail(`unhandled: ${String(error)}`));

const tests = run({ files: process.argv.slice(2), isolation: "none", concurrency: 1 });
tests.on("test:fail", ({ name, details }) => {
  // A suite fails because of a test in it, whose name says more.
  if (details.type !== "suite") fail(name);
});
tests.on("end", () => process.exit(0));
tests.resume();
