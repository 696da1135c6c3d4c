# Settings and secrets of this Quern home. Both the shell and Node read this file, so keep to lines of the form
#   export NAME="value"
# Values with $, `, \ or " stand in single quotes. docs/settings.md explains every name. No restart is needed for the
# builder; the receiver reads the file when it starts.

# The secret of the hook amp_main: the same text goes into the forge's webhook page.
export SECRET=""

# The refs that may distribute, exactly. Without this line every ref that has a distribute chunk may.
export DISTRIBUTE_REFS="refs/heads/main,refs/heads/master"

# --- Receiver ---
# export HOST="0.0.0.0"
# export PORT="8196"
# export URL_PREFIX="/webhook"
# export TLS_KEY="/etc/ssl/private/ci.example.org.key"
# export TLS_CERT="/etc/ssl/certs/ci.example.org.pem"
# 0 leaves starting the builder to cron alone.
# export BUILD_ON_PUSH="1"
# The address under which people reach the receiver. With it everybody who does can read builds and logs: docs/pages.md
# export PUBLIC_URL="https://ci.example.org"

# --- Builder ---
# Runs at a time, where the command does not say --threads.
# export THREADS="1"
# Minutes that a run may take; MiB that are kept of its artifacts and of its output.
# export BUILD_TIMEOUT="60"
# export ARTIFACT_LIMIT="1024"
# export LOG_LIMIT="1024"
# MiB of disk that the workspaces of a build may take together.
# export WORKSPACE_LIMIT="65536"
# What a whole build of an untrusted request may have: runs, minutes of work, MiB of output and artifacts.
# export UNTRUSTED_RUNS="500"
# export UNTRUSTED_TIMEOUT="360"
# export UNTRUSTED_OUTPUT="4096"
# Names of variables of this file that jobs get too.
# export BUILD_ENV="AMP_DATA_ROOT CC"
# never: every failure mails, at once, without a look at the parent commit. 0: a failed run is not tried once more.
# export BLAME="auto"
# export BLAME_RETRY="1"
# Where an entry names no clone URL: CLONE_BASE/<repository>.git
# export CLONE_BASE="https://github.com/example"
# https or ssh; without it the address is taken as the forge gives it.
# export CLONE_WITH="https"
# For private clones over https.
# export CLONE_TOKEN="not-a-real-token"
# The only host that the token is sent to.
# export CLONE_TOKEN_HOST="github.com"
# Which of the files secrets/<name>.enc this server uses.
# export SECRETS_ENV="ci"
# What this host is, for the host_tag of job definitions, besides its architecture.
# export HOST_TAGS="gpu big-memory"
# shell evaluates pipeline files of trusted requests without isolation, where there is no bubblewrap.
# export PIPELINE_EXECUTOR="sandbox"
# Seconds that this may take.
# export PIPELINE_TIMEOUT="60"
# group where builds need sudo or su; a daemon that a job leaves may then stay.
# export TREE_KILL="auto"

# podman or docker
# export ENGINE="auto"
# Options before every command of the engine.
# export ENGINE_OPTIONS="--log-level=error"
# never: images are not fetched.
# export CONTAINER_PULL="missing"
# Who runs inside a container: auto, or a user of the image.
# export CONTAINER_USER="auto"

# --- Mail ---
# export SMTP_URL="smtp://localhost:25"
# export CI_NAME="Quern"
# export MAIL_FROM="quern@ci.example.org"
# Hears of errors that are this server's fault.
# export MAIL_ADMIN="admin@example.org"
# Only these addresses and domains get mail.
# export MAIL_ALLOW="example.org"

# --- Node ---
# Where cron does not find it.
# export NODE="/opt/node/bin/node"
