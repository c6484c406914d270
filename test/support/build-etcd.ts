// `npm run etcd:build -- 3.6.16`: builds a version of etcd, with etcdctl and etcdutl, from the Go module proxy. What was
// built stays in .tmp/etcd/<version>, which git ignores.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { hasGo } from "./go.ts";
import { root } from "./process.ts";

/** Each program and the Go module whose main package it is. */
const MODULES = {
  etcd: "go.etcd.io/etcd/server/v3",
  etcdctl: "go.etcd.io/etcd/etcdctl/v3",
  etcdutl: "go.etcd.io/etcd/etcdutl/v3",
} as const;

/**
 * The folder with the programs of an etcd version, such as "3.6.16"; builds them if they are not there yet, which takes
 * about three minutes, and seconds where Go has built them before.
 *
 * @throws Error if the version is not one, there is no Go, or the build fails (Go's own words are on standard error).
 */
export function buildEtcd(version: string): string {
  if (!/^3\.\d+\.\d+(-[a-z]+\.\d+)?$/.test(version) || /^3\.[0-4]\./.test(version)) {
    throw new Error(`"${version}" is no version of etcd that can be built: expected 3.5.0 or newer, such as 3.6.16`);
  }
  const folders = `${root}.tmp/etcd`;
  const folder = join(folders, version);
  if (existsSync(folder)) return folder;
  if (!hasGo()) throw new Error(`Building etcd ${version} needs Go: put "go" on the PATH`);
  mkdirSync(folders, { recursive: true });
  // A folder of its own until it is whole: a build that was stopped leaves nothing that looks done.
  const work = mkdtempSync(join(folders, `${version}-`));
  const go = (...args: string[]) =>
    execFileSync("go", args, {
      cwd: work,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=mod", GOWORK: "off" },
    });
  try {
    go("mod", "init", "etcd");
    go("get", ...Object.values(MODULES).map((module) => `${module}@v${version}`));
    for (const [program, module] of Object.entries(MODULES)) go("build", "-trimpath", "-o", `bin/${program}`, module);
    renameSync(join(work, "bin"), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

if (import.meta.main) {
  const [version = ""] = process.argv.slice(2);
  console.log(`${buildEtcd(version)} has etcd, etcdctl and etcdutl ${version}`);
}
