#!/bin/bash
# The man pages are well-formed: groff has nothing to say of them.
. "$(dirname "$0")/expect.sh"

if ! command -v groff >/dev/null; then
        echo "SKIP: groff is not installed"
        exit 77
fi
for page in "$source"/doc/*.[1-8]; do
        groff -t -man -Tutf8 -P-cbou -ww "$page" >text 2>words || fault "groff does not take $page"
        [ ! -s words ] || fault "$page: $(head -n 5 words)"
        grep -q "SEE ALSO" text || fault "$page has no SEE ALSO"
done
end
