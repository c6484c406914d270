import type { DescMethodBiDiStreaming, DescMethodServerStreaming, DescMethodUnary } from "@bufbuild/protobuf";
import type { GenService } from "@bufbuild/protobuf/codegenv2";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Simple, type SimpleRequestSchema, type SimpleResponseSchema } from "../../../gen/simple_pb.ts";

const { route, routeServerStream, routeBidiStream } = Simple.method;
const { IDEMPOTENT, IDEMPOTENCY_UNKNOWN } = MethodOptions_IdempotencyLevel;

/** The service of the simulation: what may be done twice, what must not be, and streams. */
export const Simulated = { ...Simple, typeName: "simulation.Service", name: "Service" } as unknown as GenService<{
  read: { methodKind: "unary"; input: typeof SimpleRequestSchema; output: typeof SimpleResponseSchema };
  write: { methodKind: "unary"; input: typeof SimpleRequestSchema; output: typeof SimpleResponseSchema };
  list: { methodKind: "server_streaming"; input: typeof SimpleRequestSchema; output: typeof SimpleResponseSchema };
  chat: { methodKind: "bidi_streaming"; input: typeof SimpleRequestSchema; output: typeof SimpleResponseSchema };
}>;

const parent = Simulated;
const read = { ...route, name: "Read", localName: "read", parent, idempotency: IDEMPOTENT } as DescMethodUnary;
const write = { ...read, name: "Write", localName: "write", idempotency: IDEMPOTENCY_UNKNOWN } as DescMethodUnary;
const list = { ...routeServerStream, name: "List", localName: "list", parent } as DescMethodServerStreaming;
const chat = { ...routeBidiStream, name: "Chat", localName: "chat", parent } as DescMethodBiDiStreaming;
Object.assign(Simulated, { methods: [read, write, list, chat], method: { read, write, list, chat } });
