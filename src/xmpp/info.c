/* SPDX-License-Identifier: MIT */
/*
 * The small questions: what software (XEP-0092), are you there (0199), what time (0202), since when
 * (0012), and a card (vcard-temp 0054, vCard4 0292 §3).
 */
#include "xmpp/iq.h"

#include "base/clock.h"
#include "wire/status.h"

int info_version(struct iq *q, struct str *out, struct err *err)
{
    (void)err;
    str_add(out, "<query xmlns='jabber:iq:version'><name>" COMPONENT_NAME "</name><version>");
    str_add_xml(out, q->c->version);
    str_add(out, "</version></query>");
    return 1;
}

int info_ping(struct iq *q, struct str *out, struct err *err)
{
    int rc;

    (void)out;
    if (q->to->node[0] == '\0' || (rc = iq_account_exists(q->c, q->to, err)) > 0)
        return 1;
    if (rc == 0)
        (void)err_set(err, ERR_PERMANENT, STATUS_UNKNOWN_COMMAND, "nobody is there");
    return -1;
}

int info_time(struct iq *q, struct str *out, struct err *err)
{
    char utc[CLOCK_RFC3339_SIZE];

    (void)err;
    clock_format_rfc3339(clock_wall_ms(q->c->mail->clock), utc);
    str_addf(out, "<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>%s</utc></time>", utc);
    return 1;
}

/* XEP-0012 §4: of a server or component, its uptime. */
int info_last(struct iq *q, struct str *out, struct err *err)
{
    int64_t up_ms = clock_mono_ms(q->c->mail->clock) - q->c->started_ms;

    (void)err;
    str_addf(out, "<query xmlns='jabber:iq:last' seconds='%lld'/>", (long long)(up_ms / 1000));
    return 1;
}

int info_vcard(struct iq *q, struct str *out, struct err *err)
{
    (void)err;
    str_add(out, "<vCard xmlns='vcard-temp'><FN>IMMP gateway of ");
    str_add_xml(out, q->c->domain->name);
    str_add(out, "</FN><JABBERID>");
    str_add_xml(out, q->c->jid);
    str_add(out, "</JABBERID><DESC>Mail between domains, sealed.</DESC></vCard>");
    return 1;
}

int info_vcard4(struct iq *q, struct str *out, struct err *err)
{
    (void)err;
    str_add(out, "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>IMMP gateway of ");
    str_add_xml(out, q->c->domain->name);
    str_add(out, "</text></fn><impp><uri>xmpp:");
    str_add_xml(out, q->c->jid);
    str_add(out, "</uri></impp><note><text>Mail between domains, sealed.</text></note></vcard>");
    return 1;
}
