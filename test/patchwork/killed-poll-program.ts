import { pollOnce } from '../helpers/poll-once.ts'

// Run by crash.test.ts with a kill in the middle: polls a fake server once into a home.
const [home, url] = process.argv.slice(2) as [string, string]
await pollOnce(home, url)
