#include "internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/// Reads `ADDRESS:PORT`, an IPv6 address in brackets.
static int read_address(const char *text, struct sockaddr_storage *into) {
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host) return 0;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = 0;
    long port = strtol(colon + 1, NULL, 10);
    if (port < 1 || port > 65535) return 0;
    memset(into, 0, sizeof *into);
    size_t length = strlen(host);
    if (host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = 0;
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)into;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)into;
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &four->sin_addr) == 1;
}

/// Reads `ADDRESS:PORT` or `ADDRESS:PORT>ADDRESS:PORT`.
static int read_place(const char *text, struct place *place) {
    char first[128];
    const char *arrow = strchr(text, '>');
    size_t length = arrow ? (size_t)(arrow - text) : strlen(text);
    if (length >= sizeof first) return 0;
    memcpy(first, text, length);
    first[length] = 0;
    return read_address(first, &place->address) && read_address(arrow ? arrow + 1 : first, &place->leads_to);
}

/// Reads one word; 0 if it is none.
static int read_word(struct spec *spec, const char *key, const char *value) {
    struct { const char *key; uint64_t *number; } numbers[] = {
        {"memory", &spec->memory}, {"cpu", &spec->cpu}, {"processes", &spec->processes}, {"disk", &spec->disk},
    };
    struct { const char *key; const char **text; } texts[] = {
        {"bubblewrap", &spec->bubblewrap}, {"scratch", &spec->scratch}, {"directory", &spec->directory}, {"hosts", &spec->hosts},
    };
    for (size_t at = 0; at < sizeof numbers / sizeof *numbers; at++) {
        if (strcmp(key, numbers[at].key) != 0) continue;
        char *end;
        *numbers[at].number = strtoull(value, &end, 10);
        return *end == 0 && *numbers[at].number > 0;
    }
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        if (strcmp(key, texts[at].key) != 0) continue;
        *texts[at].text = value;
        return value[0] == '/';
    }
    if (strcmp(key, "version") == 0) return (spec->version = atoi(value)) > 0;
    if (strcmp(key, "report") == 0) return (spec->report = fopen(value, "we")) != NULL;
    if (strcmp(key, "place") == 0) {
        return spec->place_count < MOST_PLACES && read_place(value, &spec->places[spec->place_count++]);
    }
    return 0;
}

struct spec *bailey_spec(char *const words[]) {
    static struct spec spec;
    spec.version = 1000;
    for (; *words != NULL && strcmp(*words, "--") != 0; words++) {
        char key[32];
        const char *equals = strchr(*words, '=');
        size_t length = equals ? (size_t)(equals - *words) : 0;
        if (length > 0 && length < sizeof key) {
            memcpy(key, *words, length);
            key[length] = 0;
            if (read_word(&spec, key, equals + 1)) continue;
        }
        fprintf(stderr, "bailey-guard: the sandbox has no “%s”\n", *words);
        return NULL;
    }
    if (*words == NULL || words[1] == NULL || !spec.scratch || !spec.report || !spec.memory || !spec.cpu || !spec.processes || !spec.disk) {
        fprintf(stderr, "bailey-guard: of the sandbox not everything is said\n");
        return NULL;
    }
    spec.program = words + 1;
    // A line each, whatever becomes of this process.
    setvbuf(spec.report, NULL, _IOLBF, 0);
    return &spec;
}
