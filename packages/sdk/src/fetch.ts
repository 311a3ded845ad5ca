export { guardFetch } from './guard/fetch.ts'
