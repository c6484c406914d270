// Messages with a field of every kind: each scalar type, singular with every presence, repeated (packed and not), in
// maps and oneofs, groups, and messages within messages, in proto2, proto3 and an edition.

import { create, createFileRegistry, type DescMessage, fromBinary, ScalarType, toBinary } from "@bufbuild/protobuf";
import {
  DescriptorProtoSchema,
  Edition,
  FeatureSet_FieldPresence,
  FeatureSet_MessageEncoding,
  FeatureSet_RepeatedFieldEncoding,
  type FieldDescriptorProto,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldDescriptorProtoSchema,
  FieldOptions_JSType as JSType,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import * as wkt from "@bufbuild/protobuf/wkt";
import type { MessageInitShape } from "@bufbuild/protobuf";

type Field = MessageInitShape<typeof FieldDescriptorProtoSchema>;

const SCALARS = Object.values(ScalarType).filter((type): type is ScalarType => typeof type === "number");
const KEYS = SCALARS.filter((type) =>
  type !== ScalarType.DOUBLE && type !== ScalarType.FLOAT && type !== ScalarType.BYTES
);
const PACKABLE = SCALARS.filter((type) => type !== ScalarType.STRING && type !== ScalarType.BYTES);

/** Collects the fields of one message; numbers are given out of order and with gaps, up to the largest. */
class Message {
  readonly fields: FieldDescriptorProto[] = [];
  readonly nested: ReturnType<typeof mapEntry>[] = [];
  readonly oneofs: string[] = [];
  readonly name: string;
  #numbers: number[];

  constructor(name: string) {
    this.name = name;
    this.#numbers = [...Array.from({ length: 200 }, (_, i) => 200 - i), 2_047, 2_048, 300_000, 536_870_911];
  }

  add(name: string, field: Field): void {
    const number = this.#numbers.splice(this.fields.length % 3 === 0 ? this.#numbers.length - 1 : 0, 1)[0]!;
    this.fields.push(create(FieldDescriptorProtoSchema, { name, number, label: Label.OPTIONAL, ...field }));
  }

  /** Fields of every type under names that begin with `name`, among them an enum and this message's child. */
  addAll(name: string, types: readonly ScalarType[], field: Field): void {
    for (const type of types) this.add(`${name}_${ScalarType[type].toLowerCase()}`, { type: type as number, ...field });
    this.add(`${name}_enum`, { type: Type.ENUM, typeName: ".test.Color", ...field });
  }

  addMessage(name: string, typeName: string, field: Field = {}): void {
    this.add(name, { type: Type.MESSAGE, typeName, ...field });
  }

  addMap(name: string, key: ScalarType, value: Field): void {
    const entry = mapEntry(name, key, value);
    this.nested.push(entry);
    this.addMessage(name, `.test.${this.name}.${entry.name}`, { label: Label.REPEATED });
  }

  addOneof(name: string, add: (field: Field) => void): void {
    this.oneofs.push(name);
    add({ oneofIndex: this.oneofs.length - 1 });
  }

  get proto() {
    return create(DescriptorProtoSchema, {
      name: this.name,
      field: this.fields,
      nestedType: this.nested,
      oneofDecl: this.oneofs.map((name) => ({ name })),
    });
  }
}

function mapEntry(name: string, key: ScalarType, value: Field) {
  const words = name.split("_").map((word) => word[0]!.toUpperCase() + word.slice(1));
  return create(DescriptorProtoSchema, {
    name: `${words.join("")}Entry`,
    options: { mapEntry: true },
    field: [
      { name: "key", number: 1, label: Label.OPTIONAL, type: key as number },
      { name: "value", number: 2, label: Label.OPTIONAL, ...value },
    ],
  });
}

/** A file with one wide message, its child, and an enum. */
function file(syntax: "proto2" | "proto3" | "editions", wide: Message, child: Message): FileDescriptorProto {
  return create(FileDescriptorProtoSchema, {
    name: `${syntax}.proto`,
    package: "test",
    syntax,
    ...syntax === "editions" && { edition: Edition.EDITION_2023 },
    dependency: ["google/protobuf/wrappers.proto", "google/protobuf/struct.proto", "google/protobuf/any.proto"],
    enumType: [{
      name: "Color",
      value: [{ name: "NONE", number: 0 }, { name: "RED", number: 1 }, { name: "FAR", number: -2 }],
    }],
    messageType: [wide.proto, child.proto],
  });
}

const WRAPPERS = ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"];

function wideMessage(syntax: "proto2" | "proto3" | "editions"): DescMessage {
  const wide = new Message("Wide"), child = new Message("Child");
  child.add("name", { type: Type.STRING });
  child.addMessage("wide", ".test.Wide");
  wide.addAll("single", SCALARS, {});
  wide.addAll("packed", PACKABLE, { label: Label.REPEATED, ...syntax === "proto2" && { options: { packed: true } } });
  const unpacked = syntax === "editions"
    ? { features: { repeatedFieldEncoding: FeatureSet_RepeatedFieldEncoding.EXPANDED } }
    : { packed: false };
  wide.addAll("listed", PACKABLE, { label: Label.REPEATED, options: unpacked });
  for (const type of [Type.STRING, Type.BYTES]) wide.add(`listed_${type}`, { type, label: Label.REPEATED });
  wide.addOneof("choice", (field) => {
    wide.addAll("choice", SCALARS, field);
    wide.addMessage("choice_child", ".test.Child", field);
    wide.addMessage("choice_wrapper", ".google.protobuf.StringValue", field);
    wide.addMessage("choice_struct", ".google.protobuf.Struct", field);
  });
  for (const type of [Type.INT64, Type.UINT64, Type.SINT64, Type.FIXED64, Type.SFIXED64]) {
    wide.add(`text_${type}`, { type, options: { jstype: JSType.JS_STRING } });
  }
  for (const key of KEYS) wide.addMap(`map_${ScalarType[key].toLowerCase()}`, key, { type: Type.STRING });
  for (const type of SCALARS) {
    wide.addMap(`by_name_${ScalarType[type].toLowerCase()}`, ScalarType.STRING, { type: type as number });
  }
  wide.addMap("by_name_enum", ScalarType.STRING, { type: Type.ENUM, typeName: ".test.Color" });
  wide.addMap("by_name_child", ScalarType.STRING, { type: Type.MESSAGE, typeName: ".test.Child" });
  wide.addMap("by_name_wrapper", ScalarType.STRING, { type: Type.MESSAGE, typeName: ".google.protobuf.Int64Value" });
  wide.addMessage("child", ".test.Child");
  wide.addMessage("children", ".test.Child", { label: Label.REPEATED });
  for (const name of WRAPPERS) wide.addMessage(`wrapped_${name.toLowerCase()}`, `.google.protobuf.${name}Value`);
  wide.addMessage("wrappers", ".google.protobuf.BytesValue", { label: Label.REPEATED });
  wide.addMessage("struct", ".google.protobuf.Struct");
  wide.addMessage("structs", ".google.protobuf.Struct", { label: Label.REPEATED });
  wide.addMessage("value", ".google.protobuf.Value");
  wide.addMessage("any", ".google.protobuf.Any");
  if (syntax === "proto3") {
    for (const type of SCALARS) {
      wide.addOneof(`_optional_${type}`, (field) => {
        wide.add(`optional_${type}`, { type: type as number, proto3Optional: true, ...field });
      });
    }
  }
  if (syntax === "proto2") {
    wide.add("group", { type: Type.GROUP, typeName: ".test.Child" });
    wide.add("groups", { type: Type.GROUP, typeName: ".test.Child", label: Label.REPEATED });
    wide.add("with_default", { type: Type.STRING, defaultValue: "given" });
    child.add("id", { type: Type.INT32, label: Label.REQUIRED });
  }
  if (syntax === "editions") {
    const delimited = { options: { features: { messageEncoding: FeatureSet_MessageEncoding.DELIMITED } } };
    wide.addMessage("delimited", ".test.Child", delimited);
    wide.addMessage("delimited_list", ".test.Child", { label: Label.REPEATED, ...delimited });
    wide.addMessage("delimited_wrapper", ".google.protobuf.StringValue", delimited);
    const implicit = { options: { features: { fieldPresence: FeatureSet_FieldPresence.IMPLICIT } } };
    wide.addAll("implicit", SCALARS, implicit);
    const required = { options: { features: { fieldPresence: FeatureSet_FieldPresence.LEGACY_REQUIRED } } };
    child.add("id", { type: Type.INT32, ...required });
  }
  const set = create(FileDescriptorSetSchema, {
    file: [wkt.file_google_protobuf_wrappers, wkt.file_google_protobuf_struct, wkt.file_google_protobuf_any]
      .map(({ proto }) => proto).concat(file(syntax, wide, child)),
  });
  // As if it had been read from a compiler's output: with nothing set that a file would not have.
  const read = fromBinary(FileDescriptorSetSchema, toBinary(FileDescriptorSetSchema, set));
  return createFileRegistry(read).getMessage("test.Wide")!;
}

/** The messages that tests encode. */
export const SCHEMAS: Readonly<Record<string, DescMessage>> = {
  "a proto2 message": wideMessage("proto2"),
  "a proto3 message": wideMessage("proto3"),
  "a message of an edition": wideMessage("editions"),
  "a file descriptor": wkt.FileDescriptorProtoSchema,
  "google.protobuf.Value": wkt.ValueSchema,
  "google.protobuf.Struct": wkt.StructSchema,
  "google.protobuf.Timestamp": wkt.TimestampSchema,
  "google.protobuf.Any": wkt.AnySchema,
  "google.protobuf.Empty": wkt.EmptySchema,
  "google.protobuf.Int64Value": wkt.Int64ValueSchema,
  "google.protobuf.Type": wkt.TypeSchema,
};
