import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { Secret } from '../core/secret.ts'

/** Nonces that a server hands out for DPoP proofs (RFC 9449 §8, §9). Made by {@link createDpopNonces}. */
export type DpopNonces = {
  /** The nonce to hand out at `nowMs`; the same for everybody until the next step. */
  current(nowMs: number): string
  /** Until when a nonce counts, milliseconds since the epoch; undefined for one that counts no more, or never did. */
  validUntilMs(nonce: string, nowMs: number): number | undefined
}

export type DpopNonceOptions = {
  /**
   * What nonces are made from, at least 32 bytes; the same at every replica. Of several, the first makes nonces and all
   * are taken, so that it can be replaced without a refusal. Unless given a random one, for a server that runs alone.
   */
  readonly secret?: Secret | readonly Secret[]
  /** How long the current nonce is handed out, seconds, 10 to 3600; it counts as long again. 60 unless given. */
  readonly stepSeconds?: number
}

/**
 * Makes nonces that need no store: a keyed hash of the time step. The nonce of this step and of the one before count,
 * so one lives for one to two steps.
 *
 * The secret itself makes no nonce: each day has a key of its own, derived from it.
 *
 * @throws Problem `option-invalid` or `option-unknown`, `key-too-weak` for a secret below 32 bytes.
 * @example
 * const nonces = createDpopNonces({ secret: Secret.fromText(process.env.NONCE_SECRET) })
 * response.setHeader('DPoP-Nonce', nonces.current(Date.now()))
 */
export function createDpopNonces(options: DpopNonceOptions = {}): DpopNonces {
  refuseUnknownOptions('createDpopNonces', options, ['secret', 'stepSeconds'])
  const { stepSeconds = 60 } = options
  if (!(Number.isSafeInteger(stepSeconds) && stepSeconds >= 10 && stepSeconds <= 3600)) {
    throw new Problem(
      'option-invalid',
      'createDpopNonces: stepSeconds must be a whole number, 10 to 3600 seconds',
    )
  }
  return new SteppedNonces(readSecrets(options.secret ?? new Secret(randomBytes(32))), stepSeconds * 1000)
}

class SteppedNonces implements DpopNonces {
  readonly #secrets: readonly Uint8Array[]
  readonly #stepMs: number
  // What was computed for the latest steps: a nonce costs its hash once a minute, not once a request.
  readonly #computed = new Map<number, readonly Buffer[]>()

  constructor(secrets: readonly Uint8Array[], stepMs: number) {
    this.#secrets = secrets
    this.#stepMs = stepMs
  }

  current(nowMs: number): string {
    return this.#ofStep(this.#stepAt(nowMs))[0]!.toString('latin1')
  }

  validUntilMs(nonce: string, nowMs: number): number | undefined {
    const shown = Buffer.from(nonce, 'utf8')
    if (shown.length !== nonceLength) return undefined
    const step = this.#stepAt(nowMs)
    let found: number | undefined
    for (const candidate of [step, step - 1]) {
      for (const nonceOfStep of this.#ofStep(candidate)) {
        if (timingSafeEqual(shown, nonceOfStep)) found = candidate
      }
    }
    return found === undefined ? undefined : (found + 2) * this.#stepMs
  }

  #stepAt(nowMs: number): number {
    if (!Number.isFinite(nowMs))
      throw new Problem('option-invalid', 'createDpopNonces: the clock gives no number')
    return Math.floor(nowMs / this.#stepMs)
  }

  #ofStep(step: number): readonly Buffer[] {
    const known = this.#computed.get(step)
    if (known !== undefined) return known
    const day = Math.floor((step * this.#stepMs) / dayMs)
    const nonces = this.#secrets.map((secret) => {
      const dayKey = createHmac('sha256', secret).update(`DPoP nonces of day ${day}`).digest()
      const hash = createHmac('sha256', dayKey).update(`step ${step}`).digest()
      return Buffer.from(hash.subarray(0, nonceBytes).toString('base64url'), 'latin1')
    })
    if (this.#computed.size >= keptSteps) this.#computed.delete(this.#computed.keys().next().value!)
    this.#computed.set(step, nonces)
    return nonces
  }
}

function readSecrets(option: Secret | readonly Secret[]): readonly Uint8Array[] {
  const secrets: readonly unknown[] = Array.isArray(option) ? option : [option]
  if (secrets.length === 0) throw new Problem('option-invalid', 'createDpopNonces: secret is an empty list')
  return secrets.map((secret) => {
    if (!(secret instanceof Secret)) {
      throw new Problem('option-invalid', 'createDpopNonces: secret must be a Secret')
    }
    if (secret.byteLength < minSecretBytes) {
      throw new Problem('key-too-weak', `createDpopNonces: a secret needs at least ${minSecretBytes} bytes`, {
        next: 'make one with: openssl rand -base64 32',
      })
    }
    return secret.reveal()
  })
}

const minSecretBytes = 32
/** 144 bits: nobody guesses one within two steps. */
const nonceBytes = 18
const nonceLength = (nonceBytes * 4) / 3
const keptSteps = 4
const dayMs = 86_400_000
