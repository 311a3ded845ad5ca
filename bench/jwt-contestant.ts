/**
 * One library of bench/jwt.ts with one algorithm, in a process of its own as in a service, which has one library as well:
 * `jwt-contestant.ts NAME`. Its parent sends the material; it answers with what it can do, and then runs batches of it.
 */
import { once } from 'node:events'
import { Secret } from '@countersign/sdk/core'
import {
  createKeySet,
  createSigner,
  createVerifier,
  readPrivateJwk,
  readSecretKey,
  readSecretSigningKey,
  verificationKey,
} from '@countersign/sdk/jwt'
import type { SigningKey, VerificationKey } from '@countersign/sdk/jwt'
import { audience, claims, issuer, onFreshTexts, readMaterial } from './jwt-material.ts'
import type { Material, MaterialSource } from './jwt-material.ts'
import { peerHits, peerSigners, peerVerifiers } from './jwt-peers.ts'
import { rawSigner, rawVerifier } from './jwt-raw.ts'
import { cpuMicrosOf } from './measure.ts'
import type { Contestant } from './measure.ts'

export type Section = 'verify' | 'hit' | 'sign'
export type Batch = { readonly section: Section; readonly times: number }

const [name = ''] = process.argv.slice(2)
const [source] = (await once(process, 'message')) as [MaterialSource]
const contestants = await contestantsOf(name, readMaterial(source))
process.on('message', (batch) => void answer(batch as Batch))
process.once('disconnect', () => process.exit())
process.send!(Object.keys(contestants))

async function answer({ section, times }: Batch): Promise<void> {
  process.send!(await cpuMicrosOf(contestants[section]!, times))
}

async function contestantsOf(
  name: string,
  material: Material,
): Promise<Partial<Record<Section, Contestant>>> {
  const { tokens } = material
  if (name === 'node:crypto') {
    return { verify: rawVerifier(material, tokens), sign: rawSigner(material, claims()) }
  }
  if (name === 'countersign') {
    return {
      verify: ourVerifier(material, tokens, false),
      hit: ourVerifier(material, tokens.slice(0, 1), true),
      sign: ourSigner(material),
    }
  }
  const of = (all: readonly Contestant[]): Contestant | undefined => all.find((one) => one.name === name)
  const made = {
    verify: of(await peerVerifiers(material, tokens)),
    hit: of(await peerHits(material, tokens.slice(0, 1))),
    sign: of(await peerSigners(material, claims())),
  }
  return Object.fromEntries(Object.entries(made).filter(([, contestant]) => contestant !== undefined))
}

function ourVerifier(material: Material, tokens: readonly string[], cached: boolean): Contestant {
  const keySet = createKeySet([publicKeyOf(material)])
  const verifier = createVerifier({ issuer, audience, keySet, ...(cached ? {} : { cache: false }) })
  return onFreshTexts('countersign', tokens, (token) => {
    if (verifier.verifyNow(token)?.kind !== 'verified') throw new Error('refused')
  })
}

function ourSigner(material: Material): Contestant {
  const signer = createSigner({ key: signingKeyOf(material) })
  const payload = claims()
  return {
    name: 'countersign',
    run: (times) => {
      for (let index = 0; index < times; index++) signer.sign(payload)
    },
  }
}

function publicKeyOf(material: Material): VerificationKey {
  const { secret, algorithm, keyId } = material
  return secret === undefined
    ? verificationKey(signingKeyOf(material))
    : readSecretKey(new Secret(secret), { algorithm, keyId })
}

function signingKeyOf({ secret, algorithm, keyId, privateJwk }: Material): SigningKey {
  return secret === undefined
    ? readPrivateJwk(privateJwk)
    : readSecretSigningKey(new Secret(secret), { algorithm, keyId })
}
