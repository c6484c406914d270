import { readFileSync } from "node:fs";
import { usageError } from "./exit.ts";

/** Reads a file that an option names. @throws CliError that says which option and why. */
export function readTextFile(from: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw usageError(`${from}: can't read ${JSON.stringify(path)}: ${(error as Error).message}`);
  }
}
