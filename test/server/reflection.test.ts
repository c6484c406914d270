import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  create,
  createFileRegistry,
  createRegistry,
  type DescFile,
  type FileRegistry,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter, createClient, createRouterTransport } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { OpenRcaService } from "../../gen/xds/service/orca/v3/orca_pb.ts";
import { type ReflectionOptions, reflectionRoutes } from "../../src/server/reflection.ts";

type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;

/** Asks on one stream, one question after the other. */
async function ask(
  routes: (router: ConnectRouter) => void,
  ...questions: Question[]
): Promise<ServerReflectionResponse[]> {
  const client = createClient(ServerReflection, createRouterTransport(routes));
  const requests = (async function* () {
    for (const messageRequest of questions) yield { host: "h", messageRequest };
  })();
  const responses = [];
  for await (const response of client.serverReflectionInfo(requests)) responses.push(response);
  return responses;
}

const symbol = (value: string): Question => ({ case: "fileContainingSymbol", value });
const fileNamed = (value: string): Question => ({ case: "fileByFilename", value });
const extension = (containingType: string, extensionNumber: number): Question => ({
  case: "fileContainingExtension",
  value: { containingType, extensionNumber },
});
const numbersOf = (value: string): Question => ({ case: "allExtensionNumbersOfType", value });

const filesIn = ({ messageResponse: { case: kind, value } }: ServerReflectionResponse): FileDescriptorProto[] => {
  assert.equal(kind, "fileDescriptorResponse", JSON.stringify(value));
  const { fileDescriptorProto } = value as { fileDescriptorProto: Uint8Array[] };
  return fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
};
const namesIn = (response: ServerReflectionResponse) => filesIn(response).map(({ name }) => name);
const errorIn = ({ messageResponse: { case: kind, value } }: ServerReflectionResponse) => {
  assert.equal(kind, "errorResponse");
  const { errorCode, errorMessage } = value as { errorCode: number; errorMessage: string };
  return [errorCode, errorMessage];
};

const simpleAndOrca = (router: ConnectRouter) => {
  reflectionRoutes(router);
  router.service(Simple, {}).rpc(OpenRcaService.method.streamCoreMetrics, async function* () {});
};

/** `t.Service` in a.proto, which imports b.proto with `t.Base`, which c.proto and d.proto extend. */
function extended(): FileRegistry {
  const reference = { number: 1, label: Label.OPTIONAL, type: Type.MESSAGE, typeName: ".t.Base" };
  const extending = (name: string, number: number) => ({
    name,
    number,
    label: Label.OPTIONAL,
    type: Type.STRING,
    extendee: ".t.Base",
  });
  return createFileRegistry(create(FileDescriptorSetSchema, {
    file: [
      {
        name: "b.proto",
        package: "t",
        syntax: "proto2",
        messageType: [{
          name: "Base",
          field: [{ name: "first_name", number: 1, label: Label.OPTIONAL, type: Type.STRING }],
          extensionRange: [{ start: 100, end: 200 }],
          nestedType: [{ name: "Inner", enumType: [{ name: "Kind", value: [{ name: "BIG", number: 0 }] }] }],
        }],
        enumType: [{ name: "Color", value: [{ name: "RED", number: 0 }] }],
      },
      {
        name: "a.proto",
        package: "t",
        syntax: "proto2",
        dependency: ["b.proto"],
        messageType: [{
          name: "Request",
          field: [{ name: "base", ...reference, oneofIndex: 0 }],
          oneofDecl: [{ name: "one" }],
          extension: [extending("nested", 120)],
        }],
        service: [{ name: "Service", method: [{ name: "Do", inputType: ".t.Request", outputType: ".t.Base" }] }],
      },
      {
        name: "e.proto",
        package: "t",
        syntax: "proto2",
        dependency: ["a.proto", "b.proto"],
        service: [{ name: "Both", method: [{ name: "Do", inputType: ".t.Request", outputType: ".t.Base" }] }],
      },
      {
        name: "c.proto",
        package: "t",
        syntax: "proto2",
        dependency: ["b.proto"],
        extension: [extending("late", 101)],
      },
    ],
  }));
}

const extendedRoutes = (options?: ReflectionOptions) => (router: ConnectRouter) => {
  reflectionRoutes(router, options);
  router.service(extended().getService("t.Service")!, {}).service(extended().getService("t.Both")!, {});
};

describe("server reflection", () => {
  it("lists the services of its router, also those that were added after it", async () => {
    const [response] = await ask(simpleAndOrca, { case: "listServices", value: "" });
    assert.deepEqual(
      (response!.messageResponse.value as { service: { name: string }[] }).service.map(({ name }) => name),
      [
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "proto.Simple",
        "xds.service.orca.v3.OpenRcaService",
      ],
    );
  });

  it("repeats the question and the host", async () => {
    const [response] = await ask(simpleAndOrca, symbol("proto.Simple"));
    assert.equal(response!.validHost, "h");
    assert.equal(response!.originalRequest?.host, "h");
    assert.deepEqual(response!.originalRequest?.messageRequest, symbol("proto.Simple"));
  });

  it("answers a symbol with its file and all that it imports, each once a stream", async () => {
    const orca = [
      "xds/service/orca/v3/orca.proto",
      "google/protobuf/duration.proto",
      "xds/data/orca/v3/orca_load_report.proto",
    ];
    const responses = await ask(
      simpleAndOrca,
      symbol("xds.service.orca.v3.OpenRcaService"),
      symbol("xds.service.orca.v3.OpenRcaService.StreamCoreMetrics"),
      fileNamed("google/protobuf/duration.proto"),
    );
    assert.deepEqual(responses.map(namesIn), [orca, [orca[0]], [orca[1]]]);
    const again = await ask(simpleAndOrca, symbol("xds.service.orca.v3.OrcaLoadReportRequest"));
    assert.deepEqual(again.map(namesIn), [orca], "on another stream");
  });

  it("sends files from which the same types can be built", async () => {
    const [response] = await ask(simpleAndOrca, symbol("xds.service.orca.v3.OpenRcaService"));
    const built = createFileRegistry(create(FileDescriptorSetSchema, { file: filesIn(response!).toReversed() }));
    const method = built.getService("xds.service.orca.v3.OpenRcaService")?.method["streamCoreMetrics"];
    assert.equal(method?.methodKind, "server_streaming");
    assert.deepEqual(
      method?.output.fields.map(({ name, number }) => [name, number]),
      OpenRcaService.method.streamCoreMetrics.output.fields.map(({ name, number }) => [name, number]),
    );
  });

  it("finds whatever a file declares by its full name", async () => {
    const inA = ["t.Service", "t.Service.Do", "t.Request", "t.Request.base", "t.Request.one", "t.Request.nested"];
    const inB = ["t.Base", "t.Base.first_name", "t.Base.Inner.Kind", "t.Base.Inner.BIG", "t.Color", "t.RED"];
    const responses = await ask(extendedRoutes(), ...[...inA, ...inB].map(symbol));
    assert.deepEqual(responses.map((response) => namesIn(response)[0]), [
      ...inA.map(() => "a.proto"),
      ...inB.map(() => "b.proto"),
    ]);
  });

  it("sends a file once that several others import", async () => {
    const responses = await ask(extendedRoutes(), symbol("t.Both"));
    assert.deepEqual(responses.map(namesIn), [["e.proto", "a.proto", "b.proto"]]);
  });

  it("finds extensions, and those of files that no service imports if it is given their types", async () => {
    const questions = [numbersOf("t.Base"), numbersOf("t.Request"), extension("t.Base", 120), extension("t.Base", 101)];
    const [some, none, nested, late] = await ask(extendedRoutes(), ...questions);
    assert.partialDeepStrictEqual(some!.messageResponse.value, { baseTypeName: "t.Base", extensionNumber: [120] });
    assert.partialDeepStrictEqual(none!.messageResponse.value, { baseTypeName: "t.Request", extensionNumber: [] });
    assert.deepEqual(namesIn(nested!), ["a.proto", "b.proto"]);
    assert.deepEqual(errorIn(late!), [Code.NotFound, 'extension 101 of "t.Base" not found']);

    const types = createRegistry(extended().getExtension("t.late")!);
    const [all, , , found] = await ask(extendedRoutes({ types }), ...questions);
    assert.partialDeepStrictEqual(all!.messageResponse.value, { extensionNumber: [101, 120] });
    assert.equal(namesIn(found!)[0], "c.proto");
  });

  it("answers what it can't find with an error, and goes on", async () => {
    const responses = await ask(
      simpleAndOrca,
      symbol("proto.Other"),
      symbol(""),
      fileNamed("other.proto"),
      extension("proto.SimpleRequest", 7),
      extension("__proto__", 7),
      numbersOf("proto.Other"),
      { case: undefined },
      symbol("proto.Simple"),
    );
    assert.deepEqual(responses.slice(0, -1).map(errorIn), [
      [Code.NotFound, 'symbol "proto.Other" not found'],
      [Code.NotFound, 'symbol "" not found'],
      [Code.NotFound, 'file "other.proto" not found'],
      [Code.NotFound, 'extension 7 of "proto.SimpleRequest" not found'],
      [Code.NotFound, 'extension 7 of "__proto__" not found'],
      [Code.NotFound, 'message "proto.Other" not found'],
      [Code.InvalidArgument, "the request asks for nothing that is known"],
    ]);
    assert.deepEqual(namesIn(responses.at(-1)!), ["simple.proto"]);
  });

  it("is the same under its older name", async () => {
    const client = createClient(ServerReflectionAlpha, createRouterTransport(simpleAndOrca));
    const requests = (async function* () {
      yield { messageRequest: { case: "fileContainingSymbol" as const, value: "proto.Simple" } };
    })();
    for await (const { messageResponse, originalRequest } of client.serverReflectionInfo(requests)) {
      assert.equal(messageResponse.case, "fileDescriptorResponse");
      assert.equal(originalRequest?.messageRequest.value, "proto.Simple");
    }
  });

  it("encodes every file of the well-known types as it was read", async () => {
    const wkt = await import("@bufbuild/protobuf/wkt");
    const files = Object.entries(wkt).filter(([name]) => name.startsWith("file_")).map(([, file]) => file as DescFile);
    assert.ok(files.length >= 10);
    for (const { proto } of files) {
      const encoded = toBinary(FileDescriptorProtoSchema, proto);
      const read = fromBinary(FileDescriptorProtoSchema, encoded);
      assert.equal(read.messageType.length, proto.messageType.length, proto.name);
      assert.deepEqual(toBinary(FileDescriptorProtoSchema, read), encoded, proto.name);
    }
  });

  it("says what is wrong with its options", () => {
    const routes = (options: unknown) => () =>
      createRouterTransport((router) => reflectionRoutes(router, options as ReflectionOptions));
    assert.throws(routes({ types: [] }), /option types is an array: expected a Registry of @bufbuild\/protobuf/);
    assert.throws(routes({ type: 1 }), /reflectionRoutes\(\) has no option "type": did you mean types\?/);
  });
});
