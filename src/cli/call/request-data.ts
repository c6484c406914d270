import { type DescMessage, fromJson, type JsonValue, type Message, type Registry } from "@bufbuild/protobuf";
import { readTextFile } from "../files.ts";
import { usageError } from "../exit.ts";
import type { Io } from "../io.ts";

/** What `-d` gives: JSON itself, a file's with `@FILE`, or standard input's with `@-`. */
export async function readData(data: string, io: Pick<Io, "readStdin">): Promise<string> {
  if (!data.startsWith("@")) return data;
  return data === "@-" ? await io.readStdin() : readTextFile("-d", data.slice(1));
}

/**
 * The messages of a request in JSON: one, or with `many` any number, one per line (NDJSON) or in one document each.
 *
 * @throws CliError that says which is wrong.
 */
export function requestMessages(
  text: string,
  { input, many }: { readonly input: DescMessage; readonly many: boolean },
  registry: Registry,
): readonly Message[] {
  const values = jsonValues(text, many);
  return values.map((value, i) => {
    try {
      return fromJson(input, value, { registry });
    } catch (error) {
      const which = values.length > 1 ? ` ${i + 1}` : "";
      throw usageError(
        `message${which} of -d is no ${input.typeName}: ${(error as Error).message}`,
        `its fields are ${input.fields.map(({ jsonName }) => jsonName).join(", ") || "none"}`,
      );
    }
  });
}

function jsonValues(text: string, many: boolean): readonly JsonValue[] {
  const trimmed = text.trim();
  if (trimmed === "") return many ? [] : [{}];
  try {
    return [JSON.parse(trimmed) as JsonValue];
  } catch (error) {
    if (!many) throw notJson(error);
  }
  return trimmed.split("\n").filter((line) => line.trim() !== "").map((line) => {
    try {
      return JSON.parse(line) as JsonValue;
    } catch (error) {
      throw notJson(error);
    }
  });
}

function notJson(error: unknown): Error {
  return usageError(
    `-d is not JSON: ${(error as Error).message}`,
    `for example: -d '{"data":"hello"}', or -d @FILE, or -d @- for standard input`,
  );
}
