// Node at times spins forever while it takes an ended program apart (its own cleanup of handles, after JavaScript has
// run), which would hang the whole test run. A test file that came to its end by itself is ended here instead. It still
// has to come to its end: what holds it open is not cut.
import process from "node:process";

let ends = 0;
process.on("beforeExit", () => {
  // The test runner does its last work on this event too, and may have more to write: exit when nothing follows.
  if (++ends > 3) process.exit();
  setTimeout(() => {}, 1);
});
