import {
  createFileRegistry,
  type DescMethod,
  type DescService,
  type FileRegistry,
  fromBinary,
} from "@bufbuild/protobuf";
import { type FileDescriptorProto, type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** Where schemas are found by the names of services. */
export interface Schema {
  /** The names of all services. */
  services(): Promise<readonly string[]>;
  /** A service, with all that its messages need. Undefined: no service has that name. */
  service(name: string): Promise<DescribedService | undefined>;
}

/** A service, and the types that its messages may contain. */
export interface DescribedService {
  readonly service: DescService;
  readonly types: FileRegistry;
}

/** The schema in a file: a set of file descriptors, as `buf build -o` and `protoc --descriptor_set_out` write it. */
export function descriptorSet(bytes: Uint8Array): Schema {
  const { file: files } = fromBinary(FileDescriptorSetSchema, bytes) as FileDescriptorSet;
  if (files.every(({ service }) => service.length === 0)) throw new Error("it declares no services");
  return {
    services: () =>
      Promise.resolve(files.flatMap((file) => file.service.map(({ name }) => fullName(file, name))).sort()),
    service: (name) => Promise.resolve(serviceIn(files, name)),
  };
}

/** A service that one of these files declares. @throws Error if one that they import is missing. */
export function serviceIn(files: readonly FileDescriptorProto[], name: string): DescribedService | undefined {
  const declaring = files.find((file) => file.service.some((service) => fullName(file, service.name) === name));
  if (declaring === undefined) return undefined;
  const types = createFileRegistry(declaring, (path) => files.find((file) => file.name === path));
  const service = types.getService(name);
  return service && { service, types };
}

function fullName({ package: scope }: FileDescriptorProto, name: string): string {
  return scope === "" ? name : `${scope}.${name}`;
}

/** The methods of a service, as they are called: `pkg.Service/Method`. */
export function methodPaths({ typeName, methods }: DescService): readonly string[] {
  return methods.map(({ name }) => `${typeName}/${name}`);
}

/** A method's signature, as a `.proto` file has it. */
export function signature({ input, output, methodKind }: DescMethod): string {
  const client = methodKind === "client_streaming" || methodKind === "bidi_streaming";
  const server = methodKind === "server_streaming" || methodKind === "bidi_streaming";
  const stream = (on: boolean, name: string) => `(${on ? "stream " : ""}${name})`;
  return `${stream(client, input.typeName)} returns ${stream(server, output.typeName)}`;
}
