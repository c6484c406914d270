import { usageError } from "./exit.ts";
import { readTextFile } from "./files.ts";

/** Reads a PEM file that an option names. @throws CliError if it can't be read, or is not PEM. */
export function pemFile(from: string, path: string): string {
  const text = readTextFile(from, path);
  if (text.includes("-----BEGIN ")) return text;
  throw usageError(`${from}: ${JSON.stringify(path)} is not PEM: it has no "-----BEGIN"`);
}
