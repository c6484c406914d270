import assert from "node:assert/strict";
import { it } from "node:test";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { ECHO, FAIL, FAILURE } from "./servers/answers.ts";

const TEN_MIB = 10 * 2 ** 20;

/** Differences between what peers can do. */
export interface PeerTraits {
  /** How many streams may be open at once. Default: as many as one likes. */
  readonly openStreams?: number;
}

/** Texts, one after another. */
async function* texts(count: number, characters: number) {
  const data = "x".repeat(characters);
  for (let i = 0; i < count; i++) yield { data };
}

/** Declares the tests that every peer must pass. `transport` is asked for within a test. */
export function itServesCalls(transport: () => Transport, traits: PeerTraits = {}): void {
  const clientOf = () => createClient(Simple, transport());

  it("answers a unary call, with metadata", async () => {
    let header: string | null = null, trailer: string | null = null;
    const { value } = await clientOf().route({ data: "grüße" }, {
      headers: { [ECHO]: "a b" },
      onHeader: (headers) => void (header = headers.get(ECHO)),
      onTrailer: (trailers) => void (trailer = trailers.get(`${ECHO}-trailer`)),
    });
    assert.equal(value, "grüße");
    assert.equal(header, "a b");
    assert.equal(trailer, "a b");
  });

  it("answers with an error", async () => {
    await assert.rejects(clientOf().route({ data: FAIL }), (error: unknown) => {
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.FailedPrecondition);
      assert.equal(error.rawMessage, FAILURE.message);
      return true;
    });
  });

  it("streams to the client", async () => {
    let count = 0, characters = 0;
    for await (const { value } of clientOf().routeServerStream({ data: "5000:100" })) {
      count++;
      characters += value.length;
    }
    assert.equal(count, 5_000);
    assert.equal(characters, 500_000);
  });

  it("streams from the client", async () => {
    const { value } = await clientOf().routeClientStream(texts(5_000, 100));
    assert.equal(value, "5000 500000");
  });

  it("streams both ways, each message after the answer to the one before", async () => {
    let answered = () => {};
    async function* requests() {
      for (let i = 0; i < 50; i++) {
        const answer = new Promise<void>((resolve) => answered = resolve);
        yield { data: `turn ${i}` };
        await answer;
      }
    }
    const values: string[] = [];
    for await (const { value } of clientOf().routeBidiStream(requests())) {
      values.push(value);
      answered();
    }
    assert.deepEqual(values, Array.from({ length: 50 }, (_, i) => `turn ${i}`));
  });

  it("carries messages of 10 MiB both ways", async () => {
    const { value } = await clientOf().route({ data: "x".repeat(TEN_MIB) });
    assert.equal(value.length, TEN_MIB);
  });

  it("carries 10 MiB in a stream each way", async () => {
    let characters = 0;
    for await (const { value } of clientOf().routeServerStream({ data: `160:${TEN_MIB / 160}` })) {
      characters += value.length;
    }
    assert.equal(characters, TEN_MIB);
    const { value } = await clientOf().routeClientStream(texts(160, TEN_MIB / 160));
    assert.equal(value, `160 ${TEN_MIB}`);
  });

  it("answers 2,000 calls at once", async () => {
    const client = clientOf();
    const values = await Promise.all(
      Array.from({ length: 2_000 }, async (_, i) => (await client.route({ data: `${i}` })).value),
    );
    assert.deepEqual(values, Array.from({ length: 2_000 }, (_, i) => `${i}`));
  });

  const open = traits.openStreams ?? 2_000;
  it(`holds ${open} streams open at once`, async () => {
    const client = clientOf();
    let begun = 0, release = () => {};
    const all = new Promise<void>((resolve) => release = resolve);
    const stream = async (i: number) => {
      async function* requests() {
        yield { data: `${i}` };
        await all;
        yield { data: `${i} again` };
      }
      const values: string[] = [];
      for await (const { value } of client.routeBidiStream(requests())) {
        values.push(value);
        // Only when every stream has had an answer may any of them go on.
        if (values.length === 1 && ++begun === open) release();
      }
      assert.deepEqual(values, [`${i}`, `${i} again`]);
    };
    await Promise.all(Array.from({ length: open }, (_, i) => stream(i)));
  });
}
