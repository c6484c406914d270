// What a program on grpc-java needs, from Maven into .tmp/, which git ignores.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "../support/process.ts";

const POM = join(root, "test/mixed/java/pom.xml");

/** Why there can be no server in Java here; false if there can. */
export function withoutJava(): string | false {
  for (const [program, argument] of [["java", "-version"], ["mvn", "-version"]] as const) {
    try {
      execFileSync(program, [argument], { stdio: "ignore" });
    } catch {
      return `there is no ${program}`;
    }
  }
  try {
    javaLibraries();
    return false;
  } catch {
    return "grpc-java can't be fetched from Maven's repository";
  }
}

/** The folder of the libraries; fetches them, in about a minute, if they aren't there yet. */
export function javaLibraries(): string {
  const hash = createHash("sha256").update(readFileSync(POM)).digest("hex").slice(0, 16);
  const folders = join(root, ".tmp/java"), folder = join(folders, `grpc-java-${hash}`);
  if (existsSync(folder)) return folder;
  mkdirSync(folders, { recursive: true });
  const work = mkdtempSync(join(folders, "work-"));
  try {
    const goal = ["dependency:copy-dependencies", `-DoutputDirectory=${join(work, "lib")}`];
    execFileSync("mvn", ["-q", "-B", "-f", POM, ...goal], { stdio: ["ignore", "ignore", "inherit"] });
    // Of two that fetched it at once, the first one stays.
    if (!existsSync(folder)) renameSync(join(work, "lib"), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}
