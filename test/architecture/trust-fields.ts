type Schema = {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly required?: readonly string[]
  readonly description?: string
  readonly anyOf?: readonly Schema[]
}

export type TrustField = { readonly key: string; readonly required: boolean; readonly about: string }

/** Every key the trust file may have, in order, as `services.NAME.at`; required means: where its section stands. */
export function fieldsOf(schema: Schema, prefix = ''): TrustField[] {
  const found: TrustField[] = []
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const key = prefix === '' ? name : `${prefix}.${name}`
    found.push({ key, required: schema.required?.includes(name) ?? false, about: field.description ?? '' })
    if (!name.startsWith('secret') && name !== 'seal' && name !== 'tokenFrom')
      found.push(...fieldsOf(field, key))
  }
  const { additionalProperties } = schema
  if (typeof additionalProperties === 'object')
    found.push(...fieldsOf(additionalProperties, `${prefix}.NAME`))
  return found
}
