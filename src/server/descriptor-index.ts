import {
  type DescEnum,
  type DescExtension,
  type DescFile,
  type DescMessage,
  type DescService,
  type Registry,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** What reflection looks up: the files that services and other types are declared in, and all that those import. */
export class DescriptorIndex {
  /** The names of the services, sorted. */
  readonly services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  /** Messages by name, with the files of their extensions by number. */
  readonly #messages = new Map<string, Map<number, DescFile>>();
  readonly #encoded = new Map<DescFile, Uint8Array>();

  constructor(services: Iterable<DescService>, others?: Registry) {
    this.services = [...new Set(Array.from(services, ({ typeName }) => typeName))].sort();
    for (const { file } of services) this.#add(file);
    for (const { file } of others ?? []) this.#add(file);
    // Only now are all messages known that a file's extensions can extend.
    for (const file of this.#files.values()) {
      for (const extension of extensionsOf(file)) this.#addExtension(extension);
    }
  }

  /** A file by its name in imports. */
  file(name: string): DescFile | undefined {
    return this.#files.get(name);
  }

  /** The file that declares a symbol, by its full name. */
  fileOf(symbol: string): DescFile | undefined {
    return this.#symbols.get(symbol);
  }

  /** The file that declares an extension. */
  fileOfExtension(message: string, number: number): DescFile | undefined {
    return this.#messages.get(message)?.get(number);
  }

  /** The numbers of a message's extensions, sorted; undefined for an unknown message. */
  extensionsOf(message: string): readonly number[] | undefined {
    const numbers = this.#messages.get(message)?.keys();
    return numbers && [...numbers].sort((a, b) => a - b);
  }

  /** A serialized file, then those that it depends on, nearest first, without those in `sent`, which are added to it. */
  withDependencies(file: DescFile, sent: Set<DescFile>): Uint8Array[] {
    const queue = [file];
    const seen = new Set(queue);
    for (const { dependencies } of queue) {
      for (const dependency of dependencies) if (!seen.has(dependency)) queue.push(dependency), seen.add(dependency);
    }
    const wanted = queue.filter((one) => one === file || !sent.has(one));
    for (const one of wanted) sent.add(one);
    return wanted.map((one) => this.#encode(one));
  }

  #encode(file: DescFile): Uint8Array {
    const encoded = this.#encoded.get(file) ?? toBinary(FileDescriptorProtoSchema, file.proto);
    this.#encoded.set(file, encoded);
    return encoded;
  }

  #add(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, file);
    for (const name of symbolsOf(file)) if (!this.#symbols.has(name)) this.#symbols.set(name, file);
    for (const { typeName } of messagesOf(file)) {
      this.#messages.set(typeName, this.#messages.get(typeName) ?? new Map());
    }
    for (const dependency of file.dependencies) this.#add(dependency);
  }

  #addExtension({ extendee, number, file }: DescExtension): void {
    const extensions = this.#messages.get(extendee.typeName);
    if (extensions !== undefined && !extensions.has(number)) extensions.set(number, file);
  }
}

function* messagesOf({ messages }: DescFile): Iterable<DescMessage> {
  for (const message of messages) yield* withNested(message);
}

function* withNested(message: DescMessage): Iterable<DescMessage> {
  yield message;
  for (const nested of message.nestedMessages) yield* withNested(nested);
}

function* extensionsOf(file: DescFile): Iterable<DescExtension> {
  yield* file.extensions;
  for (const { nestedExtensions } of messagesOf(file)) yield* nestedExtensions;
}

/** The full names of all that a file declares. */
function* symbolsOf(file: DescFile): Iterable<string> {
  for (const service of file.services) {
    yield service.typeName;
    for (const { name } of service.methods) yield `${service.typeName}.${name}`;
  }
  for (const message of messagesOf(file)) {
    yield message.typeName;
    for (const { name } of message.fields) yield `${message.typeName}.${name}`;
    for (const { name } of message.oneofs) yield `${message.typeName}.${name}`;
    for (const nested of message.nestedEnums) yield* enumSymbols(nested, message.typeName);
  }
  for (const one of file.enums) yield* enumSymbols(one, file.proto.package);
  for (const { typeName } of extensionsOf(file)) yield typeName;
}

/** An enum's values are siblings of the enum. */
function* enumSymbols({ typeName, values }: DescEnum, scope: string): Iterable<string> {
  yield typeName;
  for (const { name } of values) yield scope === "" ? name : `${scope}.${name}`;
}
