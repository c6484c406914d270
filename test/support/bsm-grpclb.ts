// bsm/grpclb: its balancer, in a program of this repository's, and its command that asks a balancer.
import { createHash } from "node:crypto";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { builtWithGo } from "./go.ts";
import { root } from "./process.ts";

const MODULE = "github.com/bsm/grpclb@v0.5.3";
const SOURCE = "test/peers/servers/go-look-aside";

/**
 * The path of a program; builds both if they aren't there yet.
 *
 * @throws Error if there is no Go, or the build fails
 */
export function bsmGrpclb(program: "balancer" | "client"): string {
  const hash = createHash("sha256").update(MODULE).update(readFileSync(join(root, SOURCE, "main.go"))).digest("hex");
  const folder = builtWithGo(`bsm-grpclb-${hash.slice(0, 16)}`, (go, work) => {
    go("get", MODULE);
    cpSync(join(root, SOURCE), join(work, "balancer"), { recursive: true });
    go("build", "-trimpath", "-o", "bin/balancer", "./balancer");
    go("build", "-trimpath", "-o", "bin/client", "github.com/bsm/grpclb/cmd/grpc-lb-client");
  });
  return join(folder, program);
}
