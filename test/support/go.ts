// Programs written in Go, built from the Go module proxy into .tmp/, which git ignores.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root } from "./process.ts";

/** Whether there is a Go to build programs with. */
export function hasGo(): boolean {
  try {
    execFileSync("go", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Runs `go` in the folder of a build; its own words are on standard error. */
export type Go = (...args: string[]) => void;

/**
 * The folder of what was built under a name; `build` builds it if it isn't there yet, in an empty Go module, into `bin/`.
 *
 * @throws Error if there is no Go, or the build fails
 */
export function builtWithGo(name: string, build: (go: Go, work: string) => void): string {
  const folders = join(root, ".tmp/go"), folder = join(folders, name);
  if (existsSync(folder)) return folder;
  if (!hasGo()) throw new Error(`Building ${name} needs Go: put "go" on the PATH`);
  mkdirSync(folders, { recursive: true });
  // A folder of its own until it is whole: a build that was stopped leaves nothing that looks done.
  const work = mkdtempSync(join(folders, `${name}-`));
  const go: Go = (...args) =>
    void execFileSync("go", args, {
      cwd: work,
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=mod -buildvcs=false", GOWORK: "off" },
    });
  try {
    go("mod", "init", "connectlb");
    build(go, work);
    // Of two that built it at once, the first one stays.
    if (!existsSync(folder)) renameSync(join(work, "bin"), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}
