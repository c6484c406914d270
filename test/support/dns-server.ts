// A DNS server on loopback that answers A, AAAA and SRV queries from a table (RFC 1035, RFC 2782).
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";

/** What it knows, by name; names and types without an entry don't exist. May be changed while it runs. */
export interface DnsTable {
  [name: string]: {
    readonly a?: readonly string[];
    /** Eight groups each, not shortened. */
    readonly aaaa?: readonly string[];
    readonly srv?: readonly {
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly name: string;
    }[];
  };
}

export interface DnsServer {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** The names that were asked for, with the type: `A api.test`. */
  readonly queries: readonly string[];
  close(): Promise<void>;
}

const TYPES: Readonly<Record<number, "a" | "aaaa" | "srv">> = { 1: "a", 28: "aaaa", 33: "srv" };
const NXDOMAIN = 3;

export async function startDnsServer(table: DnsTable): Promise<DnsServer> {
  const queries: string[] = [];
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    const end = query.indexOf(0, 12) + 5;
    const question = query.subarray(12, end);
    const name = readName(question);
    const type = TYPES[question.readUInt16BE(question.length - 4)];
    queries.push(`${type?.toUpperCase()} ${name}`);
    const known = table[name];
    const data = type === undefined ? [] : (known?.[type] ?? []).map(encode);
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    // An authoritative answer, recursion desired and available.
    header.writeUInt16BE(0x8580 | (known === undefined ? NXDOMAIN : 0), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(data.length, 6);
    const answers = data.map((rdata) => {
      const record = Buffer.alloc(12);
      // The question's name, type and class; a TTL of 0.
      record.writeUInt16BE(0xc00c, 0);
      question.copy(record, 2, question.length - 4);
      record.writeUInt16BE(rdata.length, 10);
      return Buffer.concat([record, rdata]);
    });
    socket.send(Buffer.concat([header, question, ...answers]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${socket.address().port}`,
    queries,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function readName(question: Buffer): string {
  const labels: string[] = [];
  for (let at = 0; question[at] !== 0; at += 1 + (question[at] as number)) {
    labels.push(question.toString("latin1", at + 1, at + 1 + (question[at] as number)));
  }
  return labels.join(".").toLowerCase();
}

function encode(record: string | { priority: number; weight: number; port: number; name: string }): Buffer {
  if (typeof record === "string") {
    if (!record.includes(":")) return Buffer.from(record.split(".").map(Number));
    return Buffer.concat(record.split(":").map((group) => uint16(parseInt(group, 16))));
  }
  const labels = record.name.split(".").map((label) => Buffer.from([label.length, ...Buffer.from(label, "latin1")]));
  return Buffer.concat([
    uint16(record.priority),
    uint16(record.weight),
    uint16(record.port),
    ...labels,
    Buffer.from([0]),
  ]);
}

function uint16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16BE(value);
  return buffer;
}
