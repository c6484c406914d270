// gRPC's server reflection: what grpcurl, `buf curl` and other tools ask for services and messages.

import type { DescFile, Registry } from "@bufbuild/protobuf";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { ServerReflection, type ServerReflectionRequest } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import {
  ServerReflection as ServerReflectionAlpha,
  type ServerReflectionRequest as ServerReflectionRequestAlpha,
} from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import type { RouteOptions } from "../grpc/server/options.ts";
import { checkOptions, type Checks, kind, quoted } from "../option.ts";
import { DescriptorIndex } from "./descriptor-index.ts";
import { untilAborted } from "./stream-end.ts";

/** Options of {@link reflectionRoutes}. */
export interface ReflectionOptions {
  /**
   * Types that no service's file imports and that are to be found nevertheless: extensions, and messages in an `Any`.
   * Defaults to none. Create it with `createRegistry` of `@bufbuild/protobuf`.
   */
  readonly types?: Registry;
}

const OPTIONS: Checks<ReflectionOptions> = {
  types: kind(
    "a Registry of @bufbuild/protobuf",
    (value) => (value as { kind?: unknown } | null)?.kind === "registry",
  ),
};

/** The same in both versions. */
type Response =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: "allExtensionNumbersResponse"; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: Code; errorMessage: string } };

/**
 * Adds server reflection, `grpc.reflection.v1` and `v1alpha`, to a Connect router, whose services it describes: all that
 * are added to the router before the first request, itself included. `createGrpcServer({ reflection: true })` does it by
 * itself.
 *
 * Reflection shows every caller which services a server has; think twice about a server that is open to the world.
 *
 * @throws TypeError for an invalid option.
 */
export function reflectionRoutes(
  router: ConnectRouter,
  options: ReflectionOptions = {},
  routeOptions?: RouteOptions,
): void {
  checkOptions("reflectionRoutes()", options, OPTIONS);
  let index: DescriptorIndex | undefined;
  const indexNow = () => index ??= new DescriptorIndex(router.handlers.map(({ service }) => service), options.types);
  router.service(ServerReflection, {
    serverReflectionInfo: (requests, { signal }) => answers(indexNow(), requests, signal),
  }, routeOptions);
  router.service(
    ServerReflectionAlpha,
    { serverReflectionInfo: (requests, { signal }) => answers(indexNow(), requests, signal) },
    routeOptions,
  );
}

type Request = ServerReflectionRequest | ServerReflectionRequestAlpha;

async function* answers<R extends Request>(index: DescriptorIndex, requests: AsyncIterable<R>, signal: AbortSignal) {
  const sent = new Set<DescFile>();
  for await (const originalRequest of untilAborted(requests, signal)) {
    const messageResponse = answer(index, originalRequest, sent);
    yield { validHost: originalRequest.host, originalRequest, messageResponse };
  }
}

/** An error answers one request; the stream goes on. */
function answer(index: DescriptorIndex, { messageRequest: asked }: Request, sent: Set<DescFile>): Response {
  const fileOr = (file: DescFile | undefined, what: string): Response =>
    file === undefined
      ? failure(Code.NotFound, `${what} not found`)
      : { case: "fileDescriptorResponse", value: { fileDescriptorProto: index.withDependencies(file, sent) } };
  switch (asked.case) {
    case "fileByFilename":
      return fileOr(index.file(asked.value), `file ${quoted(asked.value)}`);
    case "fileContainingSymbol":
      return fileOr(index.fileOf(asked.value), `symbol ${quoted(asked.value)}`);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = asked.value;
      const file = index.fileOfExtension(containingType, extensionNumber);
      return fileOr(file, `extension ${extensionNumber} of ${quoted(containingType)}`);
    }
    case "allExtensionNumbersOfType": {
      const extensionNumber = index.extensionsOf(asked.value);
      if (extensionNumber === undefined) return failure(Code.NotFound, `message ${quoted(asked.value)} not found`);
      const value = { baseTypeName: asked.value, extensionNumber: [...extensionNumber] };
      return { case: "allExtensionNumbersResponse", value };
    }
    case "listServices":
      return { case: "listServicesResponse", value: { service: index.services.map((name) => ({ name })) } };
    default:
      return failure(Code.InvalidArgument, "the request asks for nothing that is known");
  }
}

function failure(errorCode: Code, errorMessage: string): Response {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
