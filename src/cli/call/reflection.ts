import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { ServerReflection, type ServerReflectionResponse } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { type Schema, serviceIn } from "./descriptors.ts";

/** More files than any schema has: a server that has yet another one for each is broken. */
const MOST_FILES = 10_000;

/** The server describes no schema: it doesn't serve reflection. */
export class NoReflection extends Error {
  override readonly name = "NoReflection";
}

/** What is asked of a server. */
type Question =
  | { readonly case: "listServices"; readonly value: string }
  | { readonly case: "fileContainingSymbol"; readonly value: string }
  | { readonly case: "fileByFilename"; readonly value: string };

/** What all calls have in common. */
export interface CallLimits {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly headers: Headers;
}

/**
 * The schema that servers describe by reflection: `grpc.reflection.v1`, or else `v1alpha`. Its methods reject with
 * {@link NoReflection}, or with a ConnectError.
 */
export function reflectedSchema(transport: Transport, limits: CallLimits): Schema {
  let version: typeof ServerReflection | typeof ServerReflectionAlpha = ServerReflection;
  const ask = async (question: Question) => {
    try {
      return await answerOf(transport, version, question, limits);
    } catch (error) {
      if (!isUnimplemented(error)) throw error;
      if (version === ServerReflectionAlpha) throw new NoReflection("the server has no reflection", { cause: error });
      version = ServerReflectionAlpha;
      return await ask(question);
    }
  };
  return {
    async services() {
      const answer = await ask({ case: "listServices", value: "" });
      return answer.case === "listServicesResponse" ? answer.value.service.map(({ name }) => name).sort() : [];
    },
    async service(name) {
      const files = new Map<string, FileDescriptorProto>();
      const read = async (question: Question) => {
        const answer = await ask(question);
        if (answer.case !== "fileDescriptorResponse") return false;
        for (const bytes of answer.value.fileDescriptorProto) {
          const file = fromBinary(FileDescriptorProtoSchema, bytes);
          files.set(file.name, file);
        }
        return true;
      };
      if (!await read({ case: "fileContainingSymbol", value: name })) return undefined;
      // Some servers send what a file imports along with it, others don't.
      for (let missing; (missing = firstMissing(files)) !== undefined;) {
        if (!await read({ case: "fileByFilename", value: missing }) || !files.has(missing) || files.size > MOST_FILES) {
          throw new Error(`the server's reflection doesn't know ${JSON.stringify(missing)}, which its files import`);
        }
      }
      return serviceIn([...files.values()], name);
    },
  };
}

function firstMissing(files: ReadonlyMap<string, FileDescriptorProto>): string | undefined {
  for (const { dependency } of files.values()) {
    const missing = dependency.find((name) => !files.has(name));
    if (missing !== undefined) return missing;
  }
  return undefined;
}

/** Asks one question on a stream of its own: the next may go to another server. */
async function answerOf(
  transport: Transport,
  version: typeof ServerReflection | typeof ServerReflectionAlpha,
  messageRequest: Question,
  { signal, timeoutMs, headers }: CallLimits,
): Promise<ServerReflectionResponse["messageResponse"]> {
  // Both versions have the same messages.
  const client = createClient(version as typeof ServerReflection, transport);
  const questions = async function* () {
    yield { messageRequest };
  };
  for await (const { messageResponse } of client.serverReflectionInfo(questions(), { signal, timeoutMs, headers })) {
    return messageResponse;
  }
  return { case: undefined };
}

function isUnimplemented(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unimplemented;
}
