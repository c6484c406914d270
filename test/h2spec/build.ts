import { join } from "node:path";
import { builtWithGo } from "../support/go.ts";

/** The newest version that the Go module proxy has; it calls itself 2.0.0. */
const VERSION = "v2.2.1+incompatible";
const MODULE = "github.com/summerwind/h2spec";

/** The path of h2spec; builds it, in seconds, if it isn't there yet. */
export function buildH2spec(): string {
  return join(
    builtWithGo("h2spec-2.2.1", (go) => {
      go("get", `${MODULE}@${VERSION}`);
      go("build", "-trimpath", "-o", "bin/h2spec", `${MODULE}/cmd/h2spec`);
    }),
    "h2spec",
  );
}
