import * as v from 'valibot'
import { environment, hostName, imageSchema, memory, nameSchema, relativeGlob, variable } from '../job-definition.ts'
import { isMailbox } from '../../model/mail.ts'
import { longestTimeout } from '../../model/plan.ts'
import { mostRuns } from '../check-plan.ts'

const script = v.pipe(v.string('expected bash text'), v.regex(/\S/, 'expected bash text'), v.maxLength(500_000, 'expected at most 500,000 characters'), v.regex(/^[^\0]*$/, 'expected text without NUL'))

/** A list that is counted before anything in it is looked at: a stranger can leave millions. */
function listOf<const Item extends v.GenericSchema>(item: Item) {
  return v.pipe(v.array(v.unknown()), v.maxLength(mostRuns, `expected at most ${mostRuns.toLocaleString('en')}`), v.array(item))
}

/** One job as the evaluated file asks for it. Data of a stranger: this schema is what the server believes of it. */
export const definedJobSchema = v.pipe(
  v.strictObject({
    name: nameSchema,
    script,
    /** `file:line` where it was defined. */
    place: v.optional(v.pipe(v.string(), v.maxLength(1000))),
    /** Stages run in the order of their numbers; jobs outside of stages are in ones of their own. */
    stage: v.pipe(v.number(), v.integer(), v.minValue(0)),
    needs: v.optional(listOf(nameSchema), []),
    image: v.optional(imageSchema),
    executor: v.optional(v.picklist(['shell', 'sandbox', 'container'], 'expected "shell", "sandbox" or "container"')),
    env: v.optional(environment, {}),
    secrets: v.optional(listOf(variable), []),
    artifacts: v.optional(listOf(relativeGlob), []),
    timeout: v.optional(v.pipe(v.number('expected minutes as a number'), v.gtValue(0, 'expected minutes, more than 0'), v.maxValue(longestTimeout, 'expected at most 30,000 minutes'))),
    network: v.optional(v.boolean('expected true or false'), true),
    memory: v.optional(memory),
    cpus: v.optional(v.pipe(v.number('expected a number'), v.gtValue(0, 'expected more than 0'), v.maxValue(1024))),
    workspace: v.optional(v.union([v.picklist(['commit', 'none']), v.strictObject({ from: nameSchema })], 'expected "commit", "none" or { from: <job> }')),
    service: v.optional(v.boolean('expected true or false'), false),
    ready: v.optional(script),
    deploy: v.optional(v.boolean('expected true or false'), false),
    reuse: v.optional(v.boolean('expected true or false')),
    group: v.optional(nameSchema),
  }),
  v.forward(v.check(({ executor, image }) => executor !== 'container' || image !== undefined, 'expected an image, since the executor is "container"'), ['image']),
  v.forward(v.check(({ service, name }) => !service || hostName.test(name), 'expected a host name, since jobs reach the service under it: small letters, digits and "-"'), ['name']),
  v.forward(v.check(({ service, ready }) => service || ready === undefined, 'expected only where service: true'), ['ready']),
  v.forward(v.check(({ service, deploy }) => !service || !deploy, 'expected no service: a deploy ends by itself'), ['deploy']),
)
export type DefinedJob = v.InferOutput<typeof definedJobSchema>

/** What an evaluated file asks for. */
export const definedSchema = v.strictObject({
  jobs: listOf(definedJobSchema),
  supersede: v.optional(v.boolean('expected true or false'), false),
  notify: v.optional(listOf(v.pipe(v.string(), v.check(isMailbox, 'expected an e-mail address'))), []),
})
export type Defined = v.InferOutput<typeof definedSchema>
