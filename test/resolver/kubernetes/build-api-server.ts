// `npm run kubernetes:build`: builds Kubernetes' API server from the Go module proxy, which takes many minutes. What was
// built stays in .tmp/go, which git ignores; tests of the Kubernetes resolver then run on it, too.
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { builtWithGo } from "../../support/go.ts";

/** The version that is tested against, and that of its libraries. */
const VERSION = "1.34.4", LIBRARIES = "0.34.4";
const NAME = `kube-apiserver-${VERSION}`;

/** Where it is once it was built, from the repository's root. */
export const API_SERVER_PATH: string = join(".tmp/go", NAME, "kube-apiserver");

function build(work: string): void {
  const env = { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=mod -buildvcs=false", GOWORK: "off" };
  const go = (cwd: string, ...args: string[]) => {
    return execFileSync("go", args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  };
  const { Dir } = JSON.parse(go(work, "mod", "download", "-json", `k8s.io/kubernetes@v${VERSION}`)) as { Dir: string };
  const source = join(work, "src");
  cpSync(Dir, source, { recursive: true });
  // The module cache is read-only.
  for (const file of [".", ...readdirSync(source, { recursive: true, encoding: "utf8" })]) {
    chmodSync(join(source, file), 0o755);
  }
  // Within Kubernetes' own repository its libraries are folders beside it; the proxy has them as modules.
  const mod = readFileSync(join(source, "go.mod"), "utf8").split("\n").filter((line) => !line.includes("=> ./staging"));
  writeFileSync(
    join(source, "go.mod"),
    mod.join("\n").replace(/^(\s*k8s\.io\/[a-z-]+) v0\.0\.0$/gm, `$1 v${LIBRARIES}`),
  );
  go(source, "build", "-o", join(work, "bin/kube-apiserver"), "./cmd/kube-apiserver");
}

if (import.meta.main) {
  console.log(`${builtWithGo(NAME, (_, work) => build(work))} has kube-apiserver ${VERSION}`);
}
