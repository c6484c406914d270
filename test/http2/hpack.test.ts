import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Http2Error } from "../../src/http2/wire/error.ts";
import type { HeaderBlock } from "../../src/http2/wire/header-block.ts";
import { HpackDecoder } from "../../src/http2/wire/hpack-decoder.ts";
import { HeaderTemplate, HpackEncoder } from "../../src/http2/wire/hpack-encoder.ts";
import { STATIC_TABLE } from "../../src/http2/wire/hpack-table.ts";
import { huffmanDecode } from "../../src/http2/wire/huffman.ts";
import { concat } from "../support/raw-http2/frame.ts";
import { headerBlock, integer, stringLiteral } from "../support/raw-http2/header-block.ts";
import { hpackTable, hpackTableBytes } from "../support/raw-http2/hpack-table.ts";

const bytes = (hex: string) =>
  Uint8Array.from(hex.replaceAll(/\s/g, "").match(/../g) ?? [], (byte) => parseInt(byte, 16));
const ascii = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** What a response's block holds, `:status` included. */
function fieldsOf(block: HeaderBlock): string[] {
  assert.equal(block.malformed, undefined);
  return [...(block.status === 0 ? [] : [":status", String(block.status)]), ...block.fields];
}

function decoder(tableBytes = 4_096, listBytes = 1 << 20): (block: Uint8Array) => HeaderBlock {
  const hpack = new HpackDecoder(tableBytes, listBytes);
  return (block) => hpack.decode(block, 0, block.length);
}

/** The entries of a decoder's dynamic table, with their sizes. */
function tableOf(hpack: HpackDecoder): string[] {
  return hpackTable(hpack).map((block) => `${block.bytes}: ${block.malformed ?? fieldsOf(block).join(": ")}`);
}

describe("HPACK by RFC 7541's examples", () => {
  it("C.1: integers", () => {
    // As the sizes of a table, whose prefix has 5 bits like those of the first two examples.
    for (const [hex, size] of [["2a", 10], ["3f9a 0a", 1_337]] as const) {
      decoder(size)(bytes(hex));
      assert.throws(() => decoder(size - 1)(bytes(hex)), new RegExp(`a table size of ${size} `));
    }
    const encoder = new HpackEncoder();
    encoder.setMaxTableBytes(1_337);
    assert.deepEqual(encoder.template(new HeaderTemplate([])), bytes("20 3f9a 0a"), "emptied, then of 1,337 bytes");
    encoder.setMaxTableBytes(10);
    assert.deepEqual(encoder.template(new HeaderTemplate([])), bytes("20 2a"));
  });

  it("C.2: literals in each representation", () => {
    const decode = decoder();
    const added = bytes("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572");
    assert.deepEqual(fieldsOf(decode(added)), ["custom-key", "custom-header"]);
    assert.deepEqual(new HpackEncoder().template(new HeaderTemplate(["custom-key", "custom-header"])), added);
    // It went to the table: the first dynamic index.
    assert.deepEqual(fieldsOf(decode(bytes("be"))), ["custom-key", "custom-header"]);
    const path = bytes("040c 2f73 616d 706c 652f 7061 7468");
    assert.equal(decode(path).bytes, ":path".length + "/sample/path".length + 32);
    assert.deepEqual(new HpackEncoder().literal(":path", "/sample/path"), path);
    assert.deepEqual(fieldsOf(decode(bytes("1008 7061 7373 776f 7264 0673 6563 7265 74"))), ["password", "secret"]);
    assert.equal(decode(bytes("82")).bytes, ":method".length + "GET".length + 32);
    assert.deepEqual(new HpackEncoder().template(new HeaderTemplate([":method", "GET"])), bytes("82"));
    assert.throws(() => decode(bytes("bf")), Http2Error, "the table still has one entry");
  });

  // C.3 and C.4: three requests, one after another. The decoder is for responses and gives no pseudo-header fields of
  // requests; it tells them by what is malformed and by their sizes.
  const AUTHORITY = '57: field ":authority" is not allowed', NO_CACHE = "53: cache-control: no-cache";
  const requests = [
    {
      fields: [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"],
      table: [AUTHORITY],
    },
    {
      fields: [
        ...[":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"],
        ...["cache-control", "no-cache"],
      ],
      table: [NO_CACHE, AUTHORITY],
    },
    {
      fields: [
        ...[":method", "GET", ":scheme", "https", ":path", "/index.html", ":authority", "www.example.com"],
        ...["custom-key", "custom-value"],
      ],
      table: ["54: custom-key: custom-value", NO_CACHE, AUTHORITY],
    },
  ];
  for (
    const [name, blocks] of [
      ["C.3: requests without Huffman", [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ]],
      ["C.4: requests with Huffman", [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ]],
    ] as const
  ) {
    it(name, () => {
      const hpack = new HpackDecoder(4_096, 1 << 20);
      for (const [i, hex] of blocks.entries()) {
        const { fields, table } = requests[i]!;
        const block = bytes(hex);
        const decoded = hpack.decode(block, 0, block.length);
        assert.deepEqual([decoded.fields, decoded.malformed, decoded.bytes], [
          fields.slice(8),
          'field ":method" is not allowed',
          fields.join("").length + 32 * fields.length / 2,
        ]);
        assert.deepEqual([tableOf(hpack), hpackTableBytes(hpack)], [table, [57, 110, 164][i]]);
      }
    });
  }

  it("C.3: what the encoder makes of these requests", () => {
    const encoder = new HpackEncoder();
    const encoded = requests.map(({ fields }) => encoder.template(new HeaderTemplate(fields)));
    assert.deepEqual(encoded, [
      bytes("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d"),
      bytes("8286 84be 5808 6e6f 2d63 6163 6865"),
      bytes("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65"),
    ]);
  });

  // C.5 and C.6: three responses over a table of 256 bytes, so that entries are evicted.
  const responses = [
    [
      ":status",
      "302",
      "cache-control",
      "private",
      "date",
      "Mon, 21 Oct 2013 20:13:21 GMT",
      "location",
      "https://www.example.com",
    ],
    [
      ":status",
      "307",
      "cache-control",
      "private",
      "date",
      "Mon, 21 Oct 2013 20:13:21 GMT",
      "location",
      "https://www.example.com",
    ],
    [
      ":status",
      "200",
      "cache-control",
      "private",
      "date",
      "Mon, 21 Oct 2013 20:13:22 GMT",
      "location",
      "https://www.example.com",
      "content-encoding",
      "gzip",
      "set-cookie",
      "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ],
  ];
  const [LOCATION, DATE, CACHE] = [
    "63: location: https://www.example.com",
    "65: date: Mon, 21 Oct 2013 20:13:21 GMT",
    "52: cache-control: private",
  ];
  const tables = [
    [LOCATION, DATE, CACHE, "42: :status: 302"],
    ["42: :status: 307", LOCATION, DATE, CACHE],
    [
      "98: set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
      "52: content-encoding: gzip",
      "65: date: Mon, 21 Oct 2013 20:13:22 GMT",
    ],
  ];
  for (
    const [name, blocks] of [
      ["C.5: without Huffman", [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
      ]],
      ["C.6: with Huffman", [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
      ]],
    ] as const
  ) {
    it(name, () => {
      const hpack = new HpackDecoder(256, 1 << 20);
      for (const [i, hex] of blocks.entries()) {
        const block = bytes(hex);
        assert.deepEqual(fieldsOf(hpack.decode(block, 0, block.length)), responses[i]);
        assert.deepEqual([tableOf(hpack), hpackTableBytes(hpack)], [tables[i], [222, 222, 215][i]]);
      }
    });
  }

  it("C.4: Huffman code", () => {
    for (
      const [hex, text] of [
        ["f1e3 c2e5 f23a 6ba0 ab90 f4ff", "www.example.com"],
        ["a8eb 1064 9cbf", "no-cache"],
        ["25a8 49e9 5ba9 7d7f", "custom-key"],
        ["25a8 49e9 5bb8 e8b4 bf", "custom-value"],
      ] as const
    ) {
      const code = bytes(hex);
      assert.equal(huffmanDecode(code, 0, code.length), text);
    }
  });
});

describe("HPACK's static table (RFC 7541 Appendix A)", () => {
  // deno-fmt-ignore
  const APPENDIX_A: readonly (readonly [name: string, value: string])[] = [
    [":authority", ""], [":method", "GET"], [":method", "POST"], [":path", "/"], [":path", "/index.html"],
    [":scheme", "http"], [":scheme", "https"], [":status", "200"], [":status", "204"], [":status", "206"],
    [":status", "304"], [":status", "400"], [":status", "404"], [":status", "500"], ["accept-charset", ""],
    ["accept-encoding", "gzip, deflate"], ["accept-language", ""], ["accept-ranges", ""], ["accept", ""],
    ["access-control-allow-origin", ""], ["age", ""], ["allow", ""], ["authorization", ""], ["cache-control", ""],
    ["content-disposition", ""], ["content-encoding", ""], ["content-language", ""], ["content-length", ""],
    ["content-location", ""], ["content-range", ""], ["content-type", ""], ["cookie", ""], ["date", ""], ["etag", ""],
    ["expect", ""], ["expires", ""], ["from", ""], ["host", ""], ["if-match", ""], ["if-modified-since", ""],
    ["if-none-match", ""], ["if-range", ""], ["if-unmodified-since", ""], ["last-modified", ""], ["link", ""],
    ["location", ""], ["max-forwards", ""], ["proxy-authenticate", ""], ["proxy-authorization", ""], ["range", ""],
    ["referer", ""], ["refresh", ""], ["retry-after", ""], ["server", ""], ["set-cookie", ""],
    ["strict-transport-security", ""], ["transfer-encoding", ""], ["user-agent", ""], ["vary", ""], ["via", ""],
    ["www-authenticate", ""],
  ];

  it("holds what the RFC says at each index", () => {
    assert.equal(APPENDIX_A.length, 61);
    assert.deepEqual(
      STATIC_TABLE.slice(1).map(({ name, value, size }) => [name, value, size]),
      APPENDIX_A.map(([name, value]) => [name, value, name.length + value.length + 32]),
    );
  });

  it("is what indices and literals in a block refer to", () => {
    for (const [i, [name, value]] of APPENDIX_A.entries()) {
      const whole = decoder()(Uint8Array.from([0x80 | (i + 1)]));
      const named = decoder()(concat(integer(0x00, 4, i + 1), stringLiteral("302")));
      if (name === ":status") {
        assert.deepEqual([fieldsOf(whole), fieldsOf(named)], [[name, value], [name, "302"]]);
      } else if (name.startsWith(":") || name === "transfer-encoding") {
        // A response may hold none of these, and that they were recognised is told by their names.
        assert.deepEqual([whole.malformed, named.malformed], Array(2).fill(`field "${name}" is not allowed`));
      } else {
        assert.deepEqual(named.fields, [name, "302"]);
        if (name !== "content-length") assert.deepEqual(whole.fields, [name, value]);
      }
    }
  });

  it("spares requests the names and values that it has", () => {
    for (const [i, [name, value]] of APPENDIX_A.entries()) {
      assert.deepEqual([...new HpackEncoder().template(new HeaderTemplate([name, value]))], [0x80 | (i + 1)], name);
      // Of several entries with one name the first is meant.
      const first = APPENDIX_A.findIndex((entry) => entry[0] === name) + 1;
      const literal = new HpackEncoder().literal(name, "other").slice();
      // Without the bit that says whether it may ever be indexed, which is no matter of the table.
      literal[0]! &= 0x0f;
      assert.deepEqual(literal, concat(integer(0x00, 4, first), stringLiteral("other")), name);
      if (name === "cookie" || name.endsWith("authorization")) continue;
      const added = concat(integer(0x40, 6, first), stringLiteral("other"));
      assert.deepEqual(new HpackEncoder().template(new HeaderTemplate([name, "other"])), added, name);
    }
  });
});

describe("a Huffman-encoded string", () => {
  const refuse = (hex: string) => assert.throws(() => huffmanDecode(bytes(hex), 0, bytes(hex).length), Http2Error);
  it("may be padded with up to 7 ones, and with nothing else", () => {
    assert.equal(huffmanDecode(bytes("1f"), 0, 1), "a"); // 00011 and 111
    refuse("18"); // padded with zeros
    refuse("1fff"); // 8 bits more
    refuse("ff");
    assert.equal(huffmanDecode(new Uint8Array(0), 0, 0), "");
  });
  it("may not hold the end-of-string symbol", () => refuse("ffffffff"));
});

describe("a HPACK decoder", () => {
  const refuses = (name: string, ...blocks: Uint8Array[]) =>
    it(`refuses ${name}`, () => {
      const decode = decoder();
      assert.throws(() => blocks.forEach(decode), (error) => error instanceof Http2Error && error.code === 9);
    });
  refuses("index 0", bytes("80"));
  refuses("an index that is in neither table", bytes("be"));
  refuses("an index that was evicted", bytes("40 01 61 01 62"), bytes("20"), bytes("be"));
  refuses("a literal whose name's index is in neither table", bytes("7f 00 01 61"));
  refuses("an integer that is cut off", bytes("ff"));
  refuses("an integer that is too large", bytes("ff ff ff ff ff ff 0f"));
  refuses("a string longer than its block", bytes("00 05 61"));
  refuses("a literal without a value", bytes("00 01 61"));
  refuses("a table size update after a field", bytes("88 20"));
  refuses("a table size above what was announced", integer(0x20, 5, 4_097));

  it("takes table size updates at the start of a block", () => {
    const decode = decoder();
    decode(bytes("40 01 61 01 62"));
    assert.deepEqual(fieldsOf(decode(concat(bytes("20"), integer(0x20, 5, 4_096), bytes("88")))), [":status", "200"]);
    assert.throws(() => decode(bytes("be")));
  });

  it("keeps its table within its bound, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3_000), fc.nat(3_000)), { maxLength: 60 }), (sizes) => {
        const hpack = new HpackDecoder(4_096, 1 << 20);
        for (const [name, value] of sizes) {
          const block = concat(
            new Uint8Array([0x40]),
            stringLiteral("a".repeat(name + 1)),
            stringLiteral("b".repeat(value)),
          );
          hpack.decode(block, 0, block.length);
          assert.ok(hpackTableBytes(hpack) <= 4_096);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("gives equal blocks in a row as one object, and not when the table changed between them", () => {
    const decode = decoder();
    decode(bytes("40 01 61 01 62"));
    const [first, second] = [decode(bytes("88 be")), decode(bytes("88 be"))];
    assert.equal(first, second);
    decode(bytes("40 01 63 01 64"));
    assert.deepEqual([fieldsOf(first), fieldsOf(decode(bytes("88 be")))], [[":status", "200", "a", "b"], [
      ":status",
      "200",
      "c",
      "d",
    ]]);
  });
});

const name = fc.stringMatching(/^[a-z0-9-]{1,20}$/);
const value = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).filter((c) => c !== 0x7f).map((c) => String.fromCharCode(c)),
  maxLength: 60,
})
  .map((text) => text.trim());
const fields = fc.array(fc.tuple(name, value), { maxLength: 12 }).map((pairs) => pairs.flat());

describe("a HPACK encoder", () => {
  it("is understood by the decoder, with templates, literals and tables that change size", () => {
    const step = fc.oneof(
      fc.record({ template: fc.nat(5), extra: fields }),
      fc.record({ tableBytes: fc.constantFrom(0, 40, 100, 1_000, 4_096, 65_536) }),
    );
    fc.assert(
      fc.property(
        fc.array(fields, { minLength: 6, maxLength: 6 }),
        fc.array(step, { maxLength: 30 }),
        (templates, steps) => {
          const encoder = new HpackEncoder();
          const decode = decoder();
          const made = templates.map((list) => new HeaderTemplate(list));
          for (const taken of steps) {
            if ("tableBytes" in taken) {
              encoder.setMaxTableBytes(taken.tableBytes);
              continue;
            }
            const template = made[taken.template]!;
            const literals: Uint8Array[] = [];
            const first = encoder.template(template);
            for (let i = 0; i < taken.extra.length; i += 2) {
              literals.push(encoder.literal(taken.extra[i]!, taken.extra[i + 1]!));
            }
            const block = decode(concat(first, ...literals));
            const all = [...template.fields, ...taken.extra];
            if (block.malformed === undefined) assert.deepEqual(block.fields, all);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("sends a template's fields once, and then their indices", () => {
    const encoder = new HpackEncoder();
    const template = new HeaderTemplate([":method", "POST", ":path", "/a.b/C", "te", "trailers"]);
    const [first, second, third] = [encoder.template(template), encoder.template(template), encoder.template(template)];
    assert.deepEqual([first.length > 20, second.length, third], [true, 3, second]);
    encoder.setMaxTableBytes(0);
    // The table is emptied in so many words, and not used any more.
    const after = encoder.template(template);
    assert.deepEqual([after[0], after[1], after.length > 20], [0x20, 0x20, true]);
    assert.equal(encoder.template(template).length, after.length - 2);
  });

  it("writes lengths of one byte and of several", () => {
    const around = [0, 127, 127 + 0x80, 127 + 0x4000].flatMap((n) => [n - 1, n, n + 1]).filter((n) => n >= 0);
    for (const length of [...around, 100_000]) {
      const encoded = new HpackEncoder().literal("x-long", "v".repeat(length));
      assert.deepEqual(encoded, headerBlock([["x-long", "v".repeat(length)]]), `${length} bytes`);
      assert.equal(decoder()(encoded).get("x-long")?.length, length);
    }
  });

  it("asks that secrets are kept out of every table on the way (section 6.2.3)", () => {
    for (const name of ["authorization", "cookie", "proxy-authorization"]) {
      const [first] = new HpackEncoder().literal(name, "Bearer x");
      assert.equal(first! >> 4, 1, name);
      assert.deepEqual(decoder()(new HpackEncoder().literal(name, "Bearer x")).fields, [name, "Bearer x"]);
    }
    assert.equal(new HpackEncoder().literal("x-plain", "v")[0]! >> 4, 0);
  });

  it("encodes one octet per character", () => {
    const block = concat(headerBlock([]), new HpackEncoder().literal("x-latin", "ü"));
    assert.deepEqual(decoder()(block).fields, ["x-latin", "ü"]);
    assert.deepEqual([...block.subarray(-2)], [1, ...ascii("ü")]);
  });
});
