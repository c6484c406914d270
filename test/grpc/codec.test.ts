import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { DescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { KeyValueSchema } from "../../gen/etcd/kv_pb.ts";
import { LeaseTimeToLiveResponseSchema, RangeResponseSchema } from "../../gen/etcd/rpc_pb.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { createCodec } from "../../src/grpc/codec.ts";
import { resolveGrpcOptions } from "../../src/grpc/client/options.ts";

/** What a read of a socket gives: a message of `bytes` with others around it. */
function inChunk(bytes: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(65_536);
  chunk.set(bytes, 100);
  return chunk.subarray(100, 100 + bytes.length);
}

/** A message that is `size` bytes long on the wire, in a chunk of a socket. */
function keyValue(size: number): Uint8Array {
  // The key's tag, and the key's length in two bytes, or in three from 16 KiB on.
  const overhead = size < 2 ** 14 + 3 ? 3 : 4;
  const bytes = toBinary(KeyValueSchema, create(KeyValueSchema, { key: new Uint8Array(size - overhead).fill(7) }));
  assert.equal(bytes.length, size);
  return inChunk(bytes);
}

function parse<O extends DescMessage>(output: O, bytes: Uint8Array): MessageShape<O> {
  return createCodec({ ...Simple.method.route, output }, resolveGrpcOptions({})).parse(bytes);
}

describe("a message with bytes fields that is kept", () => {
  for (const size of [200, 4_095, 4_096, 4_097, 12_000, 16_384]) {
    it(`keeps nothing but itself when it is ${size} bytes long`, () => {
      const { key } = parse(KeyValueSchema, keyValue(size));
      assert.equal(key.buffer.byteLength, size);
      assert.ok(key.every((byte) => byte === 7));
    });
  }

  for (const size of [16_385, 40_000]) {
    // A chunk is about 64 KiB: what is large keeps no more than a few times itself, and to copy it would take long.
    it(`stays in its chunk when it is ${size} bytes long`, () => {
      const { key } = parse(KeyValueSchema, keyValue(size));
      assert.equal(key.buffer.byteLength, 65_536);
      assert.ok(key.every((byte) => byte === 7));
    });
  }

  it("keeps nothing but itself wherever its bytes are: in a list, in messages within it, deep below others", () => {
    const value = new Uint8Array(5_000);
    const listed = toBinary(
      LeaseTimeToLiveResponseSchema,
      create(LeaseTimeToLiveResponseSchema, { keys: [value, value] }),
    );
    for (const { buffer } of parse(LeaseTimeToLiveResponseSchema, inChunk(listed)).keys) {
      assert.equal(buffer.byteLength, listed.length);
    }
    const inner = toBinary(RangeResponseSchema, create(RangeResponseSchema, { kvs: [{ value }, { value }] }));
    for (const kv of parse(RangeResponseSchema, inChunk(inner)).kvs) {
      assert.equal(kv.value.buffer.byteLength, inner.length);
    }
    const uninterpretedOption = [{ stringValue: value }];
    const deep = toBinary(
      DescriptorProtoSchema,
      create(DescriptorProtoSchema, { nestedType: [{ options: { uninterpretedOption } }] }),
    );
    const [nested] = parse(DescriptorProtoSchema, inChunk(deep)).nestedType;
    assert.equal(nested?.options?.uninterpretedOption[0]?.stringValue.buffer.byteLength, deep.length);
  });
});
