import {
  createTraceState,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import type { Attributes, Context, Span, Tracer } from '@opentelemetry/api'
import { looksSecret } from '../looks-secret.ts'
import type { TraceContext } from './trace-context.ts'

/** Spans for whoever registered a tracer (https://opentelemetry.io); there is none of these when nobody did. */
export type Tracing = {
  /**
   * Begins a span for a request that has arrived.
   *
   * @param parent what the request says about its trace; undefined: a new trace begins
   */
  begin(name: string, parent: TraceContext | undefined, attributes: SpanAttributes): TracedRequest
}

/** By the semantic conventions for HTTP; names and words, never a token or a query. */
export type SpanAttributes = Readonly<Record<string, string | number | undefined>>

export type TracedRequest = {
  readonly traceId: string
  /** What to send on, so that the next one's span is a child of this one. */
  readonly context: Pick<TraceContext, 'traceparent' | 'tracestate'>
  /** Does a part of the work in a span of its own, which ends when it is done. */
  within<T>(name: string, work: () => T): T
  /** @param status what was answered; 0: nothing, since the client left */
  end(status: number, attributes: SpanAttributes): void
}

/**
 * Whether somebody listens is asked once, here: an SDK registers its provider before anything of ours is loaded
 * (`node --import`). If nobody does, not a single span is made.
 *
 * @returns undefined when there is no tracer
 *
 * @example
 * const span = openTracing()?.begin('auth.token', readTraceContext(request.rawHeaders), {})
 */
export function openTracing(): Tracing | undefined {
  const tracer = registeredTracer()
  if (tracer === undefined) return undefined
  return {
    begin(name, parent, attributes) {
      const span = tracer.startSpan(
        name,
        { kind: SpanKind.SERVER, attributes: known(attributes) },
        parent === undefined ? ROOT_CONTEXT : remote(parent),
      )
      return tracedRequest(tracer, span)
    },
  }
}

function registeredTracer(): Tracer | undefined {
  const provider = trace.getTracerProvider()
  return provider instanceof ProxyTracerProvider
    ? provider.getDelegateTracer('countersign')
    : provider.getTracer('countersign')
}

function remote({ traceId, parentId, isSampled, tracestate }: TraceContext): Context {
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId: parentId,
    traceFlags: isSampled ? 1 : 0,
    isRemote: true,
    ...(tracestate === '' ? {} : { traceState: createTraceState(tracestate) }),
  })
}

function tracedRequest(tracer: Tracer, span: Span): TracedRequest {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext()
  const flags = (traceFlags & 0xff).toString(16).padStart(2, '0')
  return {
    traceId,
    context: {
      traceparent: `00-${traceId}-${spanId}-${flags}`,
      tracestate: traceState?.serialize() ?? '',
    },
    within(name, work) {
      const inner = tracer.startSpan(name, { kind: SpanKind.INTERNAL }, trace.setSpan(ROOT_CONTEXT, span))
      let result
      try {
        result = work()
      } catch (error) {
        inner.setStatus({ code: SpanStatusCode.ERROR })
        inner.end()
        throw error
      }
      if (result instanceof Promise) {
        const done = (): void => inner.end()
        result.then(done, done)
      } else inner.end()
      return result
    },
    end(status, attributes) {
      span.setAttributes(
        known({ 'http.response.status_code': status === 0 ? undefined : status, ...attributes }),
      )
      // Server spans are in error only for what is the server's fault.
      if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end()
    },
  }
}

/** What looks like a token is in no attribute, whatever path it stands in. */
function known(attributes: SpanAttributes): Attributes {
  const kept: Attributes = {}
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || (typeof value === 'string' && looksSecret(value))) continue
    kept[name] = value
  }
  return kept
}
