"""Send one message by an official SDK, as its users do: `sdk_requests.py CALL URL`.

Runs under the Python of .data/peers, which has the SDKs; what the SDK made of the answer goes to
the standard output as JSON. The words are those of tests/gateways/http_ways.py.
"""

from __future__ import annotations

import json
import sys
from urllib.parse import urlsplit

PHONE = "15400000001"
LINK = "https://vote.example/v/1"


def alibaba(url, call):
    from alibabacloud_dysmsapi20170525 import models
    from alibabacloud_dysmsapi20170525.client import Client
    from alibabacloud_tea_openapi.models import Config

    client = Client(
        Config(
            access_key_id="AK",
            access_key_secret="SK",
            endpoint=urlsplit(url).netloc,
            protocol="http",
        )
    )
    texts = json.dumps([{"name": "虚构一", "vote_code": "7K3P9QXM"}], ensure_ascii=False)
    signs = json.dumps(["上证信息"], ensure_ascii=False)
    phones = json.dumps([PHONE])
    if call == "text":
        request = models.SendBatchSmsRequest(
            phone_number_json=phones,
            sign_name_json=signs,
            template_code="SMS_1",
            template_param_json=texts,
            out_id="1",
        )
        return client.send_batch_sms(request).body.to_map()
    if call == "card":
        dynamic = json.dumps({"name": "虚构一", "vote_code": "7K3P9QXM"}, ensure_ascii=False)
        request = models.SendBatchCardSmsRequest(
            phone_number_json=phones,
            sign_name_json=signs,
            card_template_code="SMS_1",
            card_template_param_json=json.dumps([{"customUrl": LINK, "dyncParams": dynamic}]),
            fallback_type="SMS",
            sms_template_code="SMS_1",
            sms_template_param_json=texts,
            out_id="1",
        )
        return client.send_batch_card_sms(request).body.to_map()
    if call == "rcs":
        request = models.SendRCSRequest(
            phone_numbers=PHONE,
            sign_name="上证信息",
            template_code="RCS_1",
            template_param=json.dumps({"name": "虚构一"}, ensure_ascii=False),
            out_id="1",
        )
        return client.send_rcs(request).body.to_map()
    if call == "capable":
        request = models.QueryRCSMobileCapableRequest(
            phone_numbers=PHONE, sign_name="上证信息", template_code="RCS_1"
        )
        return client.query_rcsmobile_capable(request).body.to_map()
    request = models.QueryMobilesCardSupportRequest(template_code="SMS_1", mobiles=[PHONE])
    return client.query_mobiles_card_support(request).body.to_map()


def tencent(url, call):
    from tencentcloud.common import credential
    from tencentcloud.common.profile.client_profile import ClientProfile
    from tencentcloud.common.profile.http_profile import HttpProfile
    from tencentcloud.sms.v20210111 import models, sms_client

    http = HttpProfile(protocol="http", endpoint=urlsplit(url).netloc, reqTimeout=10)
    profile = ClientProfile(httpProfile=http)
    client = sms_client.SmsClient(credential.Credential("AK", "SK"), "ap-guangzhou", profile)
    if call == "text":
        request = models.SendSmsRequest()
        request.PhoneNumberSet = [f"+86{PHONE}"]
        request.SmsSdkAppId = "1400006666"
        request.SignName = "上证信息"
        request.TemplateId = "1001"
        request.TemplateParamSet = ["虚构一", "7K3P9QXM"]
        request.SessionContext = "1"
        return json.loads(client.SendSms(request).to_json_string())
    request = models.PullSmsSendStatusByPhoneNumberRequest()
    request.BeginTime, request.EndTime, request.Offset, request.Limit = 1, 2, 0, 100
    request.PhoneNumber, request.SmsSdkAppId = f"+86{PHONE}", "1400006666"
    return json.loads(client.PullSmsSendStatusByPhoneNumber(request).to_json_string())


def yuexin(url, call):
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkkoomessage.v1 import KooMessageClient, model

    credentials = BasicCredentials("AK", "SK", "0" * 32)
    client = KooMessageClient.new_builder().with_credentials(credentials).with_endpoint(url).build()
    if call == "lookup":
        body = model.CheckMobileCapabilityRequestBody(
            mobiles=["bb6e2b5b3a8ac0fa8a1b2a5a3a3b9a0a5a3b9a0a"],
            tpl_id="600000001",
            encryption_alg="SHA1",
        )
        asked = model.CheckMobileCapabilityRequest(body=body)
        return client.check_mobile_capability(asked).to_json_object()
    if call == "links":
        link = model.CreateShortChainParam(
            cust_flag="1", custom_url=LINK, dync_params={"title": "虚构一"}
        )
        body = model.CreateResolveTaskRequestBody(
            tpl_id="600000001",
            sms_signs=["上证信息"],
            resolving_times=1,
            aim_code_type="individual",
            expiration_time=7,
            params=[link],
        )
        asked = model.CreateResolveTaskRequest(body=body)
        return client.create_resolve_task(asked).to_json_object()
    one = model.CreateResolveTaskParam(
        cust_flag=PHONE,
        custom_url=LINK,
        dync_params={"title": "虚构一"},
        sms_params=["虚构一", "7K3P9QXM"],
    )
    body = model.CreateAimSendTaskRequestBody(
        task_name="1",
        sms_channel=model.SmsChannel(
            channel_number="8822053111111",
            sms_tpl_id="1001",
            sms_sign="上证信息",
            sms_app_name="portal",
        ),
        resolve_task=model.AIMResolveTask(
            tpl_id="600000001",
            resolve_times=1,
            aim_code_type="individual",
            expiration_time=7,
            params=[one],
        ),
    )
    return client.create_aim_send_task(model.CreateAimSendTaskRequest(body=body)).to_json_object()


if __name__ == "__main__":
    cloud, call = sys.argv[1].split("-")
    print(json.dumps(globals()[cloud](sys.argv[2], call), default=str))
