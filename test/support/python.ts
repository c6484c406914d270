// Python with one package from PyPI, in a folder of its own that git ignores.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "./process.ts";

/** Whether there is a Python that can have a folder of its own for packages. */
function hasPython(): boolean {
  try {
    execFileSync("python3", ["-c", "import ensurepip, venv"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Why what needs a package is left out, if it has to be: there is no Python, or PyPI can't be reached. */
export function withoutPackage(name: string, version: string): string | false {
  if (!hasPython()) return "there is no Python 3 with venv";
  try {
    pythonWith(name, version);
    return false;
  } catch {
    return `${name} ${version} can't be installed from PyPI`;
  }
}

/** The path of a Python that has a package; installs it from PyPI, in seconds, if it isn't there yet. */
export function pythonWith(name: string, version: string): string {
  const folders = join(root, ".tmp/python"), folder = join(folders, `${name}-${version}`);
  const python = join(folder, "bin/python");
  if (existsSync(python)) return python;
  mkdirSync(folders, { recursive: true });
  const work = mkdtempSync(join(folders, "work-"));
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  try {
    run("python3", "-m", "venv", work);
    run(join(work, "bin/python"), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", `${name}==${version}`);
    // Of two that installed it at once, the first one stays. A virtual environment's own programs may be moved.
    if (!existsSync(folder)) renameSync(work, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return python;
}
