import { createTraceState, trace } from '@opentelemetry/api'
import type { Attributes, Context, Span, SpanContext, SpanOptions, TracerProvider } from '@opentelemetry/api'

export type SpanInMemory = {
  readonly name: string
  readonly kind: number | undefined
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | undefined
  readonly attributes: Attributes
  status: number | undefined
  ended: boolean
}

/** Test support: a tracer that keeps its spans. The little of OpenTelemetry's API that an SDK has to bring. */
export function providerInMemory(): { readonly provider: TracerProvider; readonly spans: SpanInMemory[] } {
  const spans: SpanInMemory[] = []
  let made = 0
  const startSpan = (name: string, options: SpanOptions = {}, context?: Context): Span => {
    const parent = context === undefined ? undefined : trace.getSpanContext(context)
    const id = (++made).toString(16)
    const spanContext: SpanContext = {
      traceId: parent?.traceId ?? id.padStart(32, 'a'),
      spanId: id.padStart(16, 'b'),
      traceFlags: 1,
      traceState: parent?.traceState ?? createTraceState(),
    }
    const kept: SpanInMemory = {
      name,
      kind: options.kind,
      traceId: spanContext.traceId,
      spanId: spanContext.spanId,
      parentId: parent?.spanId,
      attributes: { ...options.attributes },
      status: undefined,
      ended: false,
    }
    spans.push(kept)
    const span: Span = {
      spanContext: () => spanContext,
      setAttribute: (key, value) => (Object.assign(kept.attributes, { [key]: value }), span),
      setAttributes: (attributes) => (Object.assign(kept.attributes, attributes), span),
      addEvent: () => span,
      addLink: () => span,
      addLinks: () => span,
      setStatus: ({ code }) => ((kept.status = code), span),
      updateName: () => span,
      end: () => void (kept.ended = true),
      isRecording: () => !kept.ended,
      recordException: () => undefined,
    }
    return span
  }
  const tracer = {
    startSpan,
    startActiveSpan: () => {
      throw new Error('not used')
    },
  }
  return { provider: { getTracer: () => tracer }, spans }
}
