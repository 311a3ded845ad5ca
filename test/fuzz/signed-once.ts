import type { Jwk } from '@countersign/sdk/jwt'

/**
 * Honest tokens of asymmetric algorithms, signed once with keys that were then thrown away: their texts are the same in
 * every run, so that a seed makes the same inputs everywhere.
 */
export const signedOnce: readonly { readonly jwk: Jwk; readonly token: string }[] = [
  {
    jwk: {
      kty: 'EC',
      x: 'QlGFOdlBYCJQa6OLRnUfrZaHa1MPJVkVYAevjD2JCBw',
      y: 'G13ieGnE4MFvrDHoX3yG8D1CzQsACeoA4HnKlLmLLR0',
      crv: 'P-256',
      kid: 'es256',
      alg: 'ES256',
    },
    token:
      'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImVzMjU2In0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiaHR0cHM6Ly9iaWxsaW5nLmV4YW1wbGUiLCJzdWIiOiJvcmRlcnMiLCJjbGllbnRfaWQiOiJvcmRlcnMiLCJpYXQiOjE3OTk5OTk5OTAsImV4cCI6MTgwMDAwMDI5MCwianRpIjoidG9rZW4tMSJ9.uiyCO3K4UEn8KB22LzEVmlnb0bmnRoocGi5DGCj2-2HwIznu-ZsiJBN0qn4v3xegzEeab5zd8uu7juetSXa5IQ',
  },
  {
    jwk: {
      kty: 'RSA',
      n: 'ubkrSP05stcdpqvLI0Fm6jzbc6BYai6RsaRlMnVC1Szxnx0LQYfPuclrN6uw0ApD765o3QLdd51QRUyXQBIVKEXs1HjPfdQPWdJsU191R9E_I8kjcI15MVXmPZP7UEPQZ0mn4GZjU1vtyZ_Ql61dmSeKQhisfEfXDUshqb9ax-gDBs5aOMXjohCrwUAEKmcZQKPfNeFziEQ-9pqEZ2cMmYyl5J44a6-kZ9q1S56AGWVQK_oFj0zdWBbWWdGAnPNzbx5PNuma0OzjtL0vGIQMBqmOJsfCwb5zISg0zBjDxTsRo56jVK_XgY76tEM8QY-5oTrYVETKJg55tE8LvKjeOQ',
      e: 'AQAB',
      kid: 'rs256',
      alg: 'RS256',
    },
    token:
      'eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6InJzMjU2In0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiaHR0cHM6Ly9iaWxsaW5nLmV4YW1wbGUiLCJzdWIiOiJvcmRlcnMiLCJjbGllbnRfaWQiOiJvcmRlcnMiLCJpYXQiOjE3OTk5OTk5OTAsImV4cCI6MTgwMDAwMDI5MCwianRpIjoidG9rZW4tMSJ9.IAwnlTHfETv6CVYnLp1komfXK5V4wxR8LOrERAfBS6DVHC-0mTwd_yVAlULdtqnbpvsQJGpb3KvwfD5ihbcIxpJJiTwqZTfXqdtllZUz_9QxdreJGRu810njGsitdM8Er7D21g9OR81TNS4syh6jAyQT6BZf7dPDgpukjSWp_0yrTT-DgESliAGnGK7GEGOiaOyUCgv9qSz1y5h56mneWHIZ_i2_H_NLqqBDS2jBf88MdOLzb4bbJ0bNdXq6SBflWFEtZ07GWUKSah6Zis8e0Q3tfRBMd6n6cI8-pnKumAf8lk0UwbRhFllDzU5G_4C0c6vgMkP-DZ7vcwK6kdNMNw',
  },
  {
    jwk: {
      kty: 'RSA',
      n: '1n6DmEj6K5EU8VZYDMJQwaO1vGkrDN_DNhxxgwi3xFNO21B9FEer8qwUXAEecqQBVmwTlDho5mICO5HgA3FROwtn-BavprpsEWOOaVAC_h87V3eeO1crhsiyXbhOYvc2hpBABRuOm8HpXq9fmyHatPmuceE8bLew-ssNOsmIXEPeUCNZkmBewJhZmaFyrciMSzi3TvlSZ1AkI2-jtHoFrfXsIYvfKktiOWomxx81DI0jnoQGvWpoEMiqim7wp-FKTF9bMVfDZ7531cy0-_TkuA02FJdHm8b9_q3H4yCHytY3nwKXPfQ51W5B6xx2_4Gym1HjyH535ge6qXI_LQ38qQ',
      e: 'AQAB',
      kid: 'ps256',
      alg: 'PS256',
    },
    token:
      'eyJhbGciOiJQUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6InBzMjU2In0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiaHR0cHM6Ly9iaWxsaW5nLmV4YW1wbGUiLCJzdWIiOiJvcmRlcnMiLCJjbGllbnRfaWQiOiJvcmRlcnMiLCJpYXQiOjE3OTk5OTk5OTAsImV4cCI6MTgwMDAwMDI5MCwianRpIjoidG9rZW4tMSJ9.LuSSlN-PgiuPhUIB6NWBm__0_HSMdOfEMbaYGDN7gDzsDEFdIEZJYouOCujlzWJuUoE3MJAPfK06ihbfH8NwqUJe9ppQr_5CVe4w5OaxrX9MNR_z4krP12Yk5TsCCG4uGyMmJCcNj_wkhSvisKqOmEqnJP22MkMKPy49Lzh7LbGjr2LiNqg8b1hGy6JDgKzqIA9FYgyg0fncqyuu3pGrsX3ZhwV6RseyLTu37ZRqpM0q2uSYoTMSFVvuuPkPXarin7Ogt9bHQqHUEjYjGFrtiPlCKtHFQE_hdPtoO65QU12pQUetGcqR7iFATqO5cZXq7Qm5cUzq-82rpMWTCrRIUg',
  },
  {
    jwk: {
      kty: 'OKP',
      crv: 'Ed25519',
      x: '6NEaY80WmW-d3mjuvCnbI4i5nau--i4Og7Vxh6Oj97Q',
      kid: 'eddsa',
      alg: 'EdDSA',
    },
    token:
      'eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImVkZHNhIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiaHR0cHM6Ly9iaWxsaW5nLmV4YW1wbGUiLCJzdWIiOiJvcmRlcnMiLCJjbGllbnRfaWQiOiJvcmRlcnMiLCJpYXQiOjE3OTk5OTk5OTAsImV4cCI6MTgwMDAwMDI5MCwianRpIjoidG9rZW4tMSJ9.ae8CM9zdXGUDUOm6KiFYemjutV7Y_1oWT8XmyLNaY_rhRrtAWdxZUVexRVi6VUZsZrdPBr4codydCrwiI5kaBw',
  },
  {
    jwk: {
      kty: 'EC',
      x: 'AfKAjAbTvUPsa-Djbp7URjUJi8hLRGmADRxB2lrKi2PDvpglczRaw0PawobYiiDm7Wb8kCdUMi8Ai8CXY9s0BHv7',
      y: 'AYd0zv5HFRN4RaWgynCu498dvorgFzCdO_VYYl1BIx-babb4no8EyENtbUwbgagC3ptUheounpc_yNt33fNQChoz',
      crv: 'P-521',
      kid: 'es512',
      alg: 'ES512',
    },
    token:
      'eyJhbGciOiJFUzUxMiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImVzNTEyIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiaHR0cHM6Ly9iaWxsaW5nLmV4YW1wbGUiLCJzdWIiOiJvcmRlcnMiLCJjbGllbnRfaWQiOiJvcmRlcnMiLCJpYXQiOjE3OTk5OTk5OTAsImV4cCI6MTgwMDAwMDI5MCwianRpIjoidG9rZW4tMSJ9.ANkwxITpb10pEnlnLNcvvr5pDe-DSChOYQYmDq_MuXEOdfZuBZyEpbhSGEXAIRFZRa5FNcz15-VALz2qf-xz8oS9AENH-AhFhZcWq_UxSuyHA9j7qXYxbRqOPdzjehbm5Q4IpYq9yVZq5P_1OQaHpSDPNsYW66kzXHbju9Kq6DOhbrhe',
  },
]
