import { expect, test } from 'vitest'
import { readRunChoice } from '../../src/plan/read-run-choice.ts'

test.each([
  ['name=amd64 master,container=ubuntu,params.git_branch=master', { name: 'amd64 master', container: 'ubuntu', params: { git_branch: 'master' } }],
  ['container=registry.example.org:5000/ubuntu:22.04', { container: 'registry.example.org:5000/ubuntu:22.04', params: {} }],
  ['params.flags=-O2,-g,params.empty=,name=a=b', { name: 'a=b', params: { flags: '-O2,-g', empty: '' } }],
  ['params.text=two\nlines, and more', { params: { text: 'two\nlines, and more' } }],
])('%j is read', (text, choice) => expect(readRunChoice(text)).toEqual(choice))

test.each([
  ['', 'got ""'],
  ['ubuntu', 'got "ubuntu"'],
  ['image=ubuntu', 'got "image=ubuntu"'],
  ['params=x', 'got "params=x"'],
  ['params.a-b=x', 'got "params.a-b=x"'],
  ['params.__proto__=x', 'expected name=…, container=… or params.NAME=…'],
  ['name=a,name=b', 'name stands twice in "name=a,name=b"'],
  ['params.x=a,params.x=b', 'params.x stands twice'],
])('%j is refused', (text, message) => expect(() => readRunChoice(text)).toThrow(message))
