import { create, createFileRegistry } from '@bufbuild/protobuf'
import type { GenService } from '@bufbuild/protobuf/codegenv2'
import { FileDescriptorProtoSchema, file_google_protobuf_wrappers } from '@bufbuild/protobuf/wkt'
import type { StringValueSchema } from '@bufbuild/protobuf/wkt'

type Text = typeof StringValueSchema
type Invoices = GenService<{ read: { methodKind: 'unary'; input: Text; output: Text } }>

const type = '.google.protobuf.StringValue'
const file = create(FileDescriptorProtoSchema, {
  name: 'billing.proto',
  package: 'billing',
  syntax: 'proto3',
  dependency: ['google/protobuf/wrappers.proto'],
  service: [{ name: 'Invoices', method: [{ name: 'Read', inputType: type, outputType: type }] }],
})
const registry = createFileRegistry(file, () => file_google_protobuf_wrappers)

/** What `buf generate` would write from a .proto file: `service Invoices { rpc Read(StringValue) returns (StringValue) }`. */
export const Invoices = registry.getService('billing.Invoices') as Invoices
