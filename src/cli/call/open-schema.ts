import { ConnectError } from "@connectrpc/connect";
import { readFileSync } from "node:fs";
import { CliError, EXIT, usageError } from "../exit.ts";
import { CODE_BASE, codeName } from "./call-statistics.ts";
import { descriptorSet, type Schema } from "./descriptors.ts";
import { NoReflection } from "./reflection.ts";

/** The schema in a file that `--protoset` names. @throws CliError if it can't be used. */
export function schemaIn(path: string): Schema {
  try {
    return descriptorSet(readFileSync(path));
  } catch (error) {
    throw usageError(
      `--protoset: ${JSON.stringify(path)} can't be used: ${(error as Error).message}`,
      "make it with buf build -o FILE.binpb, or protoc --include_imports --descriptor_set_out=FILE",
    );
  }
}

/** Runs what looks at a schema; what goes wrong is thrown as a CliError that says what to do. */
export async function explained<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof CliError) throw error;
    const withFile = "or pass the schema: --protoset FILE, made by buf build -o FILE.binpb";
    if (error instanceof NoReflection) {
      throw new CliError("the server doesn't say which methods it has: it serves no reflection", {
        next: ["turn it on, createGrpcServer({ reflection: true })", withFile],
        exitCode: EXIT.usage,
        cause: error,
      });
    }
    if (error instanceof ConnectError) {
      throw new CliError(`can't ask for the schema: ${codeName(error.code)}: ${error.rawMessage}`, {
        exitCode: CODE_BASE + error.code,
        next: [withFile],
        cause: error,
      });
    }
    throw new CliError(`the schema can't be used: ${(error as Error).message}`, { next: [withFile], cause: error });
  }
}
