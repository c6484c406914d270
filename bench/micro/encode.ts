// What encoding a message costs on this runtime: protobuf-es's `toBinary` compared with the compiled encoder.
//
//   node bench/micro/encode.ts     bun bench/micro/encode.ts     deno run -A --no-check bench/micro/encode.ts
import process from "node:process";
import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { timestampNow, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { RangeResponseSchema } from "../../gen/etcd/rpc_pb.ts";
import { SimpleRequestSchema, SimpleResponseSchema } from "../../gen/simple_pb.ts";
import { createEncoder } from "../../src/grpc/encoder/encoder.ts";
import { median } from "../row.ts";

const ENCODED_PER_BATCH = 20_000;
const WARM_UP_BATCHES = 4;
const BATCHES = 15;

const memory = new Uint8Array(64 * 1024);
let bytes = 0;

/** Nanoseconds of CPU that a message takes with each encoder: medians of batches that take turns. */
function compare<D extends DescMessage>(schema: D, message: MessageShape<D>): [plain: number, compiled: number] {
  const encode = createEncoder(schema, undefined);
  const plain = () => toBinary(schema, message).length;
  const compiled = () => encode(message, memory, 5) as number;
  const batches: [number[], number[]] = [[], []];
  for (let batch = 0; batch < WARM_UP_BATCHES + BATCHES; batch++) {
    for (const [which, run] of [plain, compiled].entries()) {
      const before = process.cpuUsage();
      for (let i = 0; i < ENCODED_PER_BATCH; i++) bytes += run();
      const { user, system } = process.cpuUsage(before);
      if (batch >= WARM_UP_BATCHES) batches[which]!.push((user + system) * 1_000 / ENCODED_PER_BATCH);
    }
  }
  return [median(batches[0]), median(batches[1])];
}

const key = new Uint8Array(20).fill(1), value = new Uint8Array(60).fill(2);
const kv = { key, value, createRevision: 1_000n, modRevision: 2_000n, version: 1n, lease: 7_000_000_000_000_000_000n };
const rows: [string, [number, number]][] = [
  ["SimpleRequest, 16 B of ASCII", compare(SimpleRequestSchema, create(SimpleRequestSchema, { data: "x".repeat(16) }))],
  [
    "SimpleRequest, 16 characters, not ASCII",
    compare(
      SimpleRequestSchema,
      create(SimpleRequestSchema, { data: "größer".repeat(3).slice(0, 16) }),
    ),
  ],
  ["SimpleRequest, 100 B", compare(SimpleRequestSchema, create(SimpleRequestSchema, { data: "x".repeat(100) }))],
  ["SimpleRequest, 4 KiB", compare(SimpleRequestSchema, create(SimpleRequestSchema, { data: "x".repeat(4_096) }))],
  [
    "SimpleResponse, 16 B",
    compare(
      SimpleResponseSchema,
      create(SimpleResponseSchema, { code: 200, value: "x".repeat(16) }),
    ),
  ],
  ["Timestamp", compare(TimestampSchema, timestampNow())],
  [
    "etcd's RangeResponse, 1 entry",
    compare(RangeResponseSchema, create(RangeResponseSchema, { kvs: [kv], count: 1n })),
  ],
  [
    "etcd's RangeResponse, 20 entries",
    compare(
      RangeResponseSchema,
      create(RangeResponseSchema, { kvs: Array.from({ length: 20 }, () => kv), count: 20n }),
    ),
  ],
];
console.log("ns of CPU per message".padEnd(44), "toBinary", "compiled");
for (const [name, [plain, compiled]] of rows) {
  console.log(name.padEnd(44), plain.toFixed(0).padStart(8), compiled.toFixed(0).padStart(8));
}
if (bytes === 0) throw new Error("nothing was encoded");
